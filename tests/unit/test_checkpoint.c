#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "eval/checkpoint.h"
#include "tests/support/temporary.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WEIGHTS = 1000 };

/* State of every type that a task may have. */
struct state {
    float weights[WEIGHTS];
    double sums[3];
    int64_t counters[2];
    unsigned char marks[5];
};
enum { ARRAYS = 5 };

static void arrays_of(struct state *state, struct checkpoint_array *arrays) {
    arrays[0] = (struct checkpoint_array){"weights", SAFETENSORS_F32, state->weights, WEIGHTS};
    arrays[1] = (struct checkpoint_array){"sums", SAFETENSORS_F64, state->sums, 3};
    arrays[2] = (struct checkpoint_array){"counters", SAFETENSORS_I64, state->counters, 2};
    arrays[3] = (struct checkpoint_array){"marks", SAFETENSORS_U8, state->marks, 5};
    arrays[4] = (struct checkpoint_array){"nothing", SAFETENSORS_F32, state->weights, 0};
}

static struct state state_of(int seed) {
    struct state state;
    memset(&state, 0, sizeof state);
    for (int i = 0; i < WEIGHTS; i++)
        state.weights[i] = (float)(seed * 1000 + i) / 7.0f;
    for (int i = 0; i < 3; i++)
        state.sums[i] = seed + i / 3.0;
    state.counters[0] = seed;
    state.counters[1] = (int64_t)1 << 60 | seed;
    memset(state.marks, seed, sizeof state.marks);
    return state;
}

static bool write_state(const char *path, int step, struct error *error) {
    struct state state = state_of(step);
    struct checkpoint_array arrays[ARRAYS];
    arrays_of(&state, arrays);
    return checkpoint_write(path, step, arrays, ARRAYS, error);
}

static void check_reads(const char *path, int step) {
    struct error error = {0};
    struct state state = state_of(99), wanted = state_of(step);
    struct checkpoint_array arrays[ARRAYS];
    arrays_of(&state, arrays);
    assert_int_equal(checkpoint_step(path), step);
    assert_true(checkpoint_read(path, step, arrays, ARRAYS, &error));
    assert_memory_equal(&state, &wanted, sizeof state);
}

/* Changes the byte at `offset` (negative: from the end), or with `offset` 0 halves the file. */
static void damage(const char *path, long offset) {
    struct error error = {0};
    char *data;
    size_t size;
    assert_true(file_read(path, ERROR_DATA, &data, &size, &error));
    if (offset)
        data[offset > 0 ? offset : (long)size + offset] ^= 1;
    else
        size /= 2;
    assert_true(file_write(path, data, size, &error));
    memory_free(data);
}

static void what_was_written_is_read(void **state) {
    const char *path = temporary_path(state, "search.safetensors");
    struct error error = {0};
    assert_int_equal(checkpoint_step(path), -1);
    assert_true(write_state(path, 20, &error));
    check_reads(path, 20);
}

static void the_checkpoint_before_is_kept(void **state) {
    const char *path = temporary_path(state, "search.safetensors");
    struct error error = {0};
    for (int step = 10; step <= 30; step += 10)
        assert_true(write_state(path, step, &error));
    check_reads(path, 30);
    assert_int_equal(unlink(path), 0);
    check_reads(path, 20);
    assert_true(file_exists(temporary_path(state, "search.previous.safetensors")));
}

static void a_broken_checksum_falls_back_to_the_one_before(void **state) {
    const char *path = temporary_path(state, "search.safetensors");
    struct error error = {0};
    assert_true(write_state(path, 10, &error));
    assert_true(write_state(path, 20, &error));
    damage(path, -100); /* among the data */
    check_reads(path, 10);
    struct state now = state_of(99), before = now;
    struct checkpoint_array arrays[ARRAYS];
    arrays_of(&now, arrays);
    assert_false(checkpoint_read(path, 20, arrays, ARRAYS, &error));
    assert_non_null(strstr(error.text, "no checkpoint of step 20"));
    assert_memory_equal(&now, &before, sizeof now);
    damage(temporary_path(state, "search.previous.safetensors"), -1);
    assert_int_equal(checkpoint_step(path), -1);
}

static void a_truncated_file_falls_back_to_the_one_before(void **state) {
    const char *path = temporary_path(state, "search.safetensors");
    struct error error = {0};
    assert_true(write_state(path, 10, &error));
    assert_true(write_state(path, 20, &error));
    damage(path, 0);
    check_reads(path, 10);
    assert_true(file_write(path, "", 0, &error));
    check_reads(path, 10);
}

static void a_broken_checkpoint_never_takes_the_place_of_a_good_one(void **state) {
    const char *path = temporary_path(state, "search.safetensors");
    struct error error = {0};
    assert_true(write_state(path, 10, &error));
    assert_true(write_state(path, 20, &error));
    damage(path, -100);
    assert_true(write_state(path, 30, &error));
    check_reads(path, 30);
    assert_int_equal(unlink(path), 0);
    check_reads(path, 10);
}

static void other_arrays_are_refused_without_change(void **state) {
    const char *path = temporary_path(state, "search.safetensors");
    struct error error = {0};
    assert_true(write_state(path, 10, &error));
    for (int change = 0; change < 3; change++) {
        struct state now = state_of(99), before = now;
        struct checkpoint_array arrays[ARRAYS];
        arrays_of(&now, arrays);
        struct checkpoint_array *last = &arrays[3];
        if (change == 0) last->name = "mark";
        if (change == 1) last->count = 4;
        if (change == 2) last->type = SAFETENSORS_I8;
        error_clear(&error);
        assert_false(checkpoint_read(path, 10, arrays, ARRAYS, &error));
        assert_int_equal(error.code, ERROR_SPEC);
        assert_non_null(strstr(error.text, change == 0 ? "\"mark\"" : "\"marks\""));
        assert_memory_equal(&now, &before, sizeof now);
    }
}

static void a_file_that_is_no_checkpoint_is_passed_over(void **state) {
    const char *path = temporary_path(state, "search.safetensors");
    struct error error = {0};
    float values[2] = {1, 2};
    struct safetensor tensor = {.name = "weights",
                                .type = SAFETENSORS_F32,
                                .dimensions = 1,
                                .shape = {2},
                                .elements = 2,
                                .bytes = 8,
                                .data = values};
    assert_true(safetensors_write(path, &tensor, 1, NULL, &error));
    assert_int_equal(checkpoint_step(path), -1);
}

/* In a child whose files cannot grow beyond some bytes: the disk is full in the middle. */
static int write_on_a_full_disk(const char *path, int step) {
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {1000, 1000};
    setrlimit(RLIMIT_FSIZE, &limit);
    struct error error = {0};
    return write_state(path, step, &error) ? 1 : error.code == ERROR_FAILED && error.count ? 0 : 2;
}

static void a_full_disk_leaves_the_last_checkpoint(void **state) {
    const char *path = temporary_path(state, "search.safetensors");
    struct error error = {0};
    assert_true(write_state(path, 10, &error));
    pid_t child = fork();
    if (child == 0) _exit(write_on_a_full_disk(path, 20));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    check_reads(path, 10);
    char **names;
    size_t count;
    assert_true(folder_list(*state, false, &names, &count, &error));
    assert_int_equal(count, 1); /* no half file beside it */
    file_list_free(names, count);
}

static void an_optimizer_is_two_or_three_arrays(void **state) {
    (void)state;
    static const char *const names[3] = {"steps", "first", "second"};
    struct checkpoint_array arrays[3];
    struct optimizer *adam = optimizer_create(optimizer_defaults(OPTIMIZER_ADAM), 7);
    struct optimizer *sgd = optimizer_create(optimizer_defaults(OPTIMIZER_SGD), 7);
    assert_int_equal(checkpoint_optimizer(adam, names, arrays), 3);
    assert_ptr_equal(arrays[0].data, &adam->steps);
    assert_ptr_equal(arrays[2].data, adam->second);
    assert_int_equal(arrays[2].count, 7);
    assert_int_equal(checkpoint_optimizer(sgd, names, arrays), 2);
    assert_string_equal(arrays[1].name, "first");
    optimizer_free(adam);
    optimizer_free(sgd);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_was_written_is_read),
        IN_FOLDER(the_checkpoint_before_is_kept),
        IN_FOLDER(a_broken_checksum_falls_back_to_the_one_before),
        IN_FOLDER(a_truncated_file_falls_back_to_the_one_before),
        IN_FOLDER(a_broken_checkpoint_never_takes_the_place_of_a_good_one),
        IN_FOLDER(other_arrays_are_refused_without_change),
        IN_FOLDER(a_file_that_is_no_checkpoint_is_passed_over),
        IN_FOLDER(a_full_disk_leaves_the_last_checkpoint),
        cmocka_unit_test(an_optimizer_is_two_or_three_arrays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
