#include "core/file.h"
#include "core/memory.h"
#include "tests/support/temporary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_content(const char *path, const char *expected) {
    struct error error = {0};
    char *data;
    size_t size;
    assert_true(file_read(path, ERROR_DATA, &data, &size, &error));
    assert_string_equal(data, expected);
    assert_int_equal(size, strlen(expected));
    memory_free(data);
}

static size_t entries(void **state) {
    char **names;
    size_t count;
    assert_true(folder_list(*state, true, &names, &count, NULL));
    file_list_free(names, count);
    /* Hidden leftovers count too. */
    char command[4200], text[32] = "";
    snprintf(command, sizeof command, "find '%s' -name '.*' -type f | wc -l", (char *)*state);
    FILE *hidden = popen(command, "r");
    assert_non_null(fgets(text, sizeof text, hidden));
    pclose(hidden);
    return count + (size_t)atoi(text);
}

static void a_written_file_reads_back(void **state) {
    const char *path = temporary_path(state, "a.txt");
    struct error error = {0};
    assert_true(file_write(path, "hello", 5, &error));
    check_content(path, "hello");
    assert_true(file_write(path, "", 0, &error));
    check_content(path, "");
    char *data;
    size_t size;
    assert_true(file_write(path, "a\0b", 3, &error));
    assert_true(file_read(path, ERROR_DATA, &data, &size, &error));
    assert_int_equal(size, 3);
    assert_memory_equal(data, "a\0b\0", 4);
    memory_free(data);
    assert_int_equal(entries(state), 1);
    assert_false(error_is_set(&error));
}

static void a_large_file_and_a_pipe_read_whole(void **state) {
    enum { BYTES = 3000000 };
    char *data = memory_allocate(BYTES), *back;
    for (int i = 0; i < BYTES; i++)
        data[i] = (char)(i * 7);
    const char *path = temporary_path(state, "large");
    size_t size;
    assert_true(file_write(path, data, BYTES, NULL));
    assert_true(file_read(path, ERROR_DATA, &back, &size, NULL));
    assert_int_equal(size, BYTES);
    assert_memory_equal(back, data, BYTES);
    memory_free(back);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], data, 50000), 50000);
    close(ends[1]);
    char name[32];
    snprintf(name, sizeof name, "/dev/fd/%d", ends[0]);
    assert_true(file_read(name, ERROR_DATA, &back, &size, NULL));
    assert_int_equal(size, 50000);
    assert_memory_equal(back, data, 50000);
    memory_free(back);
    close(ends[0]);
    memory_free(data);
}

static void reading_errors_carry_the_code_and_name_the_file(void **state) {
    char *data;
    size_t size;
    struct error error = {0};
    const char *path = temporary_path(state, "absent");
    assert_false(file_read(path, ERROR_SPEC, &data, &size, &error));
    assert_null(data);
    assert_int_equal(error.code, ERROR_SPEC);
    assert_non_null(strstr(error.text, path));
    assert_non_null(strstr(error.text, "No such file"));
    error_clear(&error);
    assert_false(file_read(*state, ERROR_DATA, &data, &size, &error));
    assert_int_equal(error.code, ERROR_DATA);
    assert_non_null(strstr(error.text, "folder"));
}

static void a_failed_write_keeps_the_old_file_and_leaves_nothing(void **state) {
    const char *path = temporary_path(state, "kept");
    struct error error = {0};
    assert_true(file_write(path, "old", 3, &error));
    /* A file-size limit stands for a full disk. */
    struct rlimit limit, small;
    getrlimit(RLIMIT_FSIZE, &limit);
    small = limit;
    small.rlim_cur = 1000;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    char data[5000] = {0};
    bool replaced = file_write(path, data, sizeof data, &error);
    bool appended = file_append(path, data, sizeof data, NULL);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_false(replaced);
    assert_false(appended);
    assert_int_equal(error.code, ERROR_FAILED);
    assert_non_null(strstr(error.text, "kept"));
    check_content(path, "old");
    assert_int_equal(entries(state), 1);
}

static void writing_where_it_cannot_be_says_why(void **state) {
    const char *file = temporary_path(state, "file");
    struct error error = {0};
    assert_true(file_write(file, "x", 1, &error));
    assert_false(file_write(temporary_path(state, "file/below"), "x", 1, &error));
    assert_non_null(strstr(error.text, "Not a directory"));
    error_clear(&error);
    assert_false(file_write(temporary_path(state, "none/below"), "x", 1, &error));
    assert_non_null(strstr(error.text, "No such file or directory"));
    error_clear(&error);
    assert_false(file_write(*state, "x", 1, &error));
    assert_non_null(strstr(error.text, "Is a directory"));
    error_clear(&error);
    assert_int_equal(entries(state), 1);
}

/* A full disk. Only the device will do: a plain file of that name would be written over. */
static void a_full_disk_is_reported(void **state) {
    (void)state;
    struct stat status;
    if (stat("/dev/full", &status) != 0 || !S_ISCHR(status.st_mode)) {
        print_message("skipped: this machine has no device /dev/full\n");
        skip();
    }
    struct error error = {0};
    assert_false(file_write("/dev/full", "x", 1, &error));
    assert_non_null(strstr(error.text, "No space left"));
    error_clear(&error);
    assert_false(file_append("/dev/full", "x", 1, &error));
    assert_non_null(strstr(error.text, "No space left"));
    assert_int_equal(stat("/dev/full", &status), 0);
    assert_true(S_ISCHR(status.st_mode));
}

static void writing_keeps_mode_and_links(void **state) {
    const char *path = temporary_path(state, "file"), *link = temporary_path(state, "link");
    assert_true(file_write(path, "1", 1, NULL));
    struct stat status;
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0666 & ~mask);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(symlink("file", link), 0);
    assert_true(file_write(link, "2", 1, NULL));
    check_content(path, "2");
    assert_int_equal(lstat(link, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

static void appending_and_copying_keep_all_bytes(void **state) {
    const char *path = temporary_path(state, "journal"), *copy = temporary_path(state, "copy");
    struct error error = {0};
    assert_true(file_append(path, "one\n", 4, &error));
    assert_true(file_append(path, "two\n", 4, &error));
    check_content(path, "one\ntwo\n");
    assert_true(file_copy(path, copy, &error));
    check_content(copy, "one\ntwo\n");
    assert_false(file_copy(temporary_path(state, "absent"), copy, &error));
    check_content(copy, "one\ntwo\n");
}

static void folders_are_created_with_parents_and_removed_whole(void **state) {
    struct error error = {0};
    const char *deep = temporary_path(state, "a/b//c/");
    assert_true(folder_create(deep, &error));
    assert_true(folder_exists(deep));
    assert_true(folder_create(deep, &error));
    assert_true(file_write(temporary_path(state, "a/b/file"), "x", 1, &error));
    assert_true(file_write(temporary_path(state, "kept"), "x", 1, &error));
    assert_int_equal(symlink("../kept", temporary_path(state, "a/link")), 0);
    assert_int_equal(symlink("..", temporary_path(state, "a/up")), 0);
    assert_true(folder_remove(temporary_path(state, "a"), &error));
    assert_false(folder_exists(temporary_path(state, "a")));
    assert_true(file_exists(temporary_path(state, "kept")));
    assert_true(folder_remove(temporary_path(state, "a"), &error));
    assert_false(folder_create(temporary_path(state, "kept/below"), &error));
    assert_non_null(strstr(error.text, "kept/below"));
    assert_false(folder_create("", &error));
}

static void folders_are_listed_in_order(void **state) {
    char **names;
    size_t count;
    struct error error = {0};
    assert_true(folder_list(*state, false, &names, &count, &error));
    assert_int_equal(count, 0);
    file_list_free(names, count);
    assert_true(folder_create(temporary_path(state, "sub"), NULL));
    const char *made[] = {"b.png", "a.png", "B.png", ".hidden", "sub/c.png"};
    for (int i = 0; i < 5; i++)
        assert_true(file_write(temporary_path(state, made[i]), "", 0, NULL));
    assert_int_equal(symlink("..", temporary_path(state, "sub/up")), 0);
    assert_true(folder_list(*state, false, &names, &count, &error));
    assert_int_equal(count, 3);
    assert_string_equal(names[0], "B.png");
    assert_string_equal(names[2], "b.png");
    file_list_free(names, count);
    assert_true(folder_list(*state, true, &names, &count, &error));
    assert_int_equal(count, 4);
    assert_string_equal(names[3], "sub/c.png");
    file_list_free(names, count);
    assert_false(folder_list(temporary_path(state, "absent"), true, &names, &count, &error));
    assert_int_equal(error.code, ERROR_DATA);
    assert_false(folder_list(temporary_path(state, "a.png"), true, &names, &count, NULL));
}

static void check_text(char *text, const char *expected) {
    assert_string_equal(text, expected);
    memory_free(text);
}

static void paths_are_taken_apart_and_joined(void **state) {
    (void)state;
    check_text(path_join("a", "b"), "a/b");
    check_text(path_join("a/", "b"), "a/b");
    check_text(path_join("", "b"), "b");
    check_text(path_join("a", ""), "a");
    check_text(path_join("a", "/b"), "/b");
    check_text(path_folder("a/b.yaml"), "a");
    check_text(path_folder("b.yaml"), ".");
    check_text(path_folder("/b"), "/");
    check_text(path_folder("a//b"), "a");
    check_text(path_stem("a.x/b.tar.gz"), "b.tar");
    check_text(path_stem("a.x/b"), "b");
    check_text(path_stem(".hidden"), ".hidden");
    assert_string_equal(path_extension("a/b.yaml"), "yaml");
    assert_string_equal(path_extension("a.x/b"), "");
    assert_string_equal(path_extension(".hidden"), "");
}

static void home_is_the_environments_else_the_source_folder(void **state) {
    unsetenv("TAMIS_HOME");
    assert_true(folder_exists(path_home()));
    char *core = path_join(path_home(), "core/file.h");
    assert_true(file_exists(core));
    memory_free(core);
    setenv("TAMIS_HOME", *state, 1);
    assert_string_equal(path_home(), *state);
    unsetenv("TAMIS_HOME");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_written_file_reads_back),
        IN_FOLDER(a_large_file_and_a_pipe_read_whole),
        IN_FOLDER(reading_errors_carry_the_code_and_name_the_file),
        IN_FOLDER(a_failed_write_keeps_the_old_file_and_leaves_nothing),
        IN_FOLDER(writing_where_it_cannot_be_says_why),
        cmocka_unit_test(a_full_disk_is_reported),
        IN_FOLDER(writing_keeps_mode_and_links),
        IN_FOLDER(appending_and_copying_keep_all_bytes),
        IN_FOLDER(folders_are_created_with_parents_and_removed_whole),
        IN_FOLDER(folders_are_listed_in_order),
        cmocka_unit_test(paths_are_taken_apart_and_joined),
        IN_FOLDER(home_is_the_environments_else_the_source_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
