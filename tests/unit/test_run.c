#include "core/file.h"
#include "core/memory.h"
#include "results/run.h"
#include "tests/support/temporary.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void put(const struct run *run, const char *name) {
    struct error error = {0};
    char *path = run_path(run, name);
    assert_true(file_write(path, "x", 1, &error));
    memory_free(path);
}

static void create_makes_folder_and_subfolders(void **state) {
    struct error error = {0};
    struct run run;
    const char *path = temporary_path(state, "a/b/run");
    assert_true(run_create(&run, path, false, &error));
    char *images = run_path(&run, RUN_IMAGES);
    char *checkpoint = run_path(&run, RUN_CHECKPOINT);
    assert_true(folder_exists(images));
    assert_true(folder_exists(checkpoint));
    memory_free(images);
    memory_free(checkpoint);
    assert_false(run_has(&run, RUN_SPEC));
    put(&run, RUN_SPEC);
    assert_true(run_has(&run, RUN_SPEC));
    run_close(&run);
    assert_true(run_is_folder(path));
}

static void create_refuses_a_folder_with_a_run(void **state) {
    struct error error = {0};
    struct run run;
    const char *path = temporary_path(state, "run");
    assert_true(run_create(&run, path, false, &error));
    put(&run, RUN_JOURNAL);
    run_close(&run);
    assert_false(run_create(&run, path, false, &error));
    assert_int_equal(error.code, ERROR_SPEC);
    assert_non_null(strstr(error.text, "--force"));
    assert_null(run.path);
}

static void force_removes_only_files_of_the_run(void **state) {
    struct error error = {0};
    struct run run;
    const char *path = temporary_path(state, "run");
    assert_true(run_create(&run, path, false, &error));
    static const char *const made[] = {RUN_SPEC,       RUN_WEIGHTS,
                                       RUN_JOURNAL,    "checkpoint/w.safetensors",
                                       "images/a.png", "front/3.yaml"};
    static const char *const kept[] = {"notes.txt", "mine.yaml", "images/notes.txt"};
    for (size_t i = 0; i < 5; i++)
        put(&run, made[i]);
    for (size_t i = 0; i < 3; i++)
        put(&run, kept[i]);
    run_close(&run);
    assert_true(run_create(&run, path, true, &error));
    for (size_t i = 0; i < 5; i++)
        assert_false(run_has(&run, made[i]));
    for (size_t i = 0; i < 3; i++)
        assert_true(run_has(&run, kept[i]));
    run_close(&run);
}

static void force_refuses_a_folder_that_tamis_did_not_make(void **state) {
    struct error error = {0};
    struct run run;
    const char *path = temporary_path(state, RUN_SPACE);
    assert_true(file_write(path, "space: mine\n", 12, &error));
    assert_false(run_create(&run, *state, true, &error));
    assert_int_equal(error.code, ERROR_SPEC);
    assert_true(file_exists(path));
    assert_false(file_exists(temporary_path(state, RUN_LOCK)));
}

static void create_refuses_a_file(void **state) {
    struct error error = {0};
    struct run run;
    const char *path = temporary_path(state, "file");
    assert_true(file_write(path, "x", 1, &error));
    assert_false(run_create(&run, path, true, &error));
    assert_int_equal(error.code, ERROR_SPEC);
}

static void open_needs_a_run(void **state) {
    struct error error = {0};
    struct run run;
    assert_false(run_open(&run, temporary_path(state, "none"), RUN_READ, &error));
    assert_false(run_open(&run, *state, RUN_READ, &error));
    assert_int_equal(error.count, 2);
    assert_int_equal(error.code, ERROR_SPEC);
}

static void a_second_writer_is_refused_and_a_reader_is_not(void **state) {
    struct error error = {0};
    struct run first;
    struct run second;
    const char *path = temporary_path(state, "run");
    assert_true(run_create(&first, path, false, &error));
    put(&first, RUN_SPEC);
    assert_false(run_open(&second, path, RUN_WRITE, &error));
    assert_int_equal(error.code, ERROR_FAILED);
    assert_non_null(strstr(error.text, "in use"));
    error_clear(&error);
    assert_false(run_create(&second, path, true, &error));
    assert_true(run_has(&first, RUN_SPEC));
    assert_true(run_open(&second, path, RUN_READ, &error));
    run_close(&second);
    run_close(&first);
    assert_true(run_open(&second, path, RUN_WRITE, &error));
    run_close(&second);
}

static void the_lock_of_a_killed_process_is_free(void **state) {
    struct error error = {0};
    struct run run;
    const char *path = temporary_path(state, "run");
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bool good = run_create(&run, path, false, &error);
        char *spec = run_path(&run, RUN_SPEC);
        good = good && file_write(spec, "x", 1, &error);
        if (write(ready[1], good ? "y" : "n", 1) != 1) _exit(1);
        for (;;)
            pause();
    }
    char answer = 0;
    assert_int_equal(read(ready[0], &answer, 1), 1);
    assert_int_equal(answer, 'y');
    assert_false(run_open(&run, path, RUN_WRITE, &error));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_true(run_open(&run, path, RUN_WRITE, &error));
    run_close(&run);
    close(ready[0]);
    close(ready[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, temporary_setup, temporary_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(create_makes_folder_and_subfolders),
        TEST(create_refuses_a_folder_with_a_run),
        TEST(force_removes_only_files_of_the_run),
        TEST(force_refuses_a_folder_that_tamis_did_not_make),
        TEST(create_refuses_a_file),
        TEST(open_needs_a_run),
        TEST(a_second_writer_is_refused_and_a_reader_is_not),
        TEST(the_lock_of_a_killed_process_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
