/* The memory that `tamis check` announces against what a run takes. */
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "search/pipeline.h"
#include "tests/support/search_setup.h"
#include "tests/support/temporary.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MAX_SETTINGS = 32 };

/* Sanitizers keep shadows of all memory and hold back what was freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

/* Largest resident set of a fresh process that runs the stages; 0 when they failed. */
static size_t measure(const struct spec *spec, unsigned stages) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct error error = {0};
        struct result_list results = {0};
        struct pipeline_options options = {.stages = stages};
        bool ok = pipeline_run(spec, &options, &results, &error);
        if (!ok) fprintf(stderr, "%s\n", error.text);
        size_t bytes = ok ? memory_peak_resident_bytes() : 0;
        _exit(write(ends[1], &bytes, sizeof bytes) == (ssize_t)sizeof bytes ? 0 : 1);
    }
    close(ends[1]);
    size_t bytes = 0;
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(read(ends[0], &bytes, sizeof bytes), (ssize_t)sizeof bytes);
    close(ends[0]);
    return bytes;
}

/* A short run of `settings` (up to a NULL) in the folder of the test. */
static void check_announced(void **state, const char *const *settings, unsigned stages,
                            double at_least) {
    if (IS_SANITIZED) {
        printf("skipped: a sanitizer takes memory of its own\n");
        skip();
    }
    struct error error = {0};
    struct spec spec;
    struct pipeline_memory memory;
    char out[600];
    const char *all[MAX_SETTINGS] = {"search.epochs=1",
                                     "search.steps_per_epoch=2",
                                     "search.warm_up=0",
                                     "retrain.steps=2",
                                     "quantize.steps=2",
                                     "data.valid_count=2",
                                     "quantize.calibration_batches=1",
                                     out};
    int count = 8;
    snprintf(out, sizeof out, "out=%s", temporary_path(state, "run"));
    for (int i = 0; settings[i]; i++)
        all[count++] = settings[i];
    search_setup_need(spec_read(&spec, NULL, all, count, &error), &error);
    struct space *space = spec_space(&spec, &error);
    search_setup_need(space && pipeline_memory(&spec, space, &memory, &error), &error);
    space_free(space);
    double measured = (double)measure(&spec, stages);
    printf("announced %.1f MB (search %.1f, retrain %.1f, quantize %.1f, parameters %.1f, data "
           "%.1f), measured %.1f MB: %+.1f %%\n",
           memory.total / 1e6, memory.search / 1e6, memory.retrain / 1e6, memory.quantize / 1e6,
           memory.parameters / 1e6, memory.data / 1e6, measured / 1e6,
           100 * (memory.total / measured - 1));
    double limit = spec.memory_limit;
    spec_free(&spec);
    if (limit > 0) {
        assert_true(memory.search_plan.nodes_again > 0);
        assert_true(memory.search_plan.bytes < memory.search_plan.bytes_without);
        assert_true(memory.total <= limit);
        assert_true(measured <= 1.02 * limit); /* the program itself is an estimate */
    }
    assert_true(memory.total > at_least);
    assert_true(fabs(memory.total - measured) <= 0.1 * measured);
}

static void a_search_takes_what_was_announced(void **state) {
    const char *const settings[] = {"space=rfdn_small", "search.batch=20",  "search.patch=48",
                                    "retrain.batch=4",  "quantize.batch=4", NULL};
    check_announced(state, settings, PIPELINE_SEARCH | PIPELINE_RETRAIN, 150e6);
}

static void direct_quantization_takes_what_was_announced(void **state) {
    const char *const settings[] = {"space=quantnas_small",
                                    "search.batch=8",
                                    "search.patch=40",
                                    "search.quantization=direct",
                                    "retrain.batch=2",
                                    "quantize.batch=2",
                                    NULL};
    check_announced(state, settings, PIPELINE_SEARCH | PIPELINE_RETRAIN, 150e6);
}

static void retraining_takes_what_was_announced(void **state) {
    const char *const settings[] = {
        "space=rfdn_small", "search.batch=1",   "search.patch=24",     "retrain.batch=16",
        "retrain.patch=64", "quantize.batch=1", "retrain.average=0.9", NULL};
    check_announced(state, settings, PIPELINE_SEARCH | PIPELINE_RETRAIN, 150e6);
}

static void many_parameters_take_what_was_announced(void **state) {
    const char *const settings[] = {"space=tiny",       "let.width=512",    "search.batch=1",
                                    "search.patch=8",   "retrain.batch=1",  "retrain.patch=8",
                                    "quantize.batch=1", "quantize.patch=8", NULL};
    check_announced(state, settings, PIPELINE_SEARCH | PIPELINE_RETRAIN, 150e6);
}

static void data_and_large_validation_images_count_too(void **state) {
    const char *const settings[] = {"space=tiny",
                                    "search.batch=2",
                                    "search.patch=16",
                                    "retrain.batch=2",
                                    "quantize.batch=2",
                                    "data.train_count=12",
                                    "data.train_size=1024",
                                    "data.valid_size=1536",
                                    "scale=2",
                                    NULL};
    check_announced(state, settings, PIPELINE_ALL, 150e6);
}

/* What is announced for a process with these settings (up to a NULL). */
static struct pipeline_memory announced(const char *const *settings) {
    struct error error = {0};
    struct spec spec;
    struct pipeline_memory memory = {0};
    int count = 0;
    while (settings[count])
        count++;
    search_setup_need(spec_read(&spec, NULL, settings, count, &error), &error);
    struct space *space = spec_space(&spec, &error);
    search_setup_need(space && pipeline_memory(&spec, space, &memory, &error), &error);
    space_free(space);
    spec_free(&spec);
    return memory;
}

static void a_limited_search_keeps_to_its_limit(void **state) {
    char limit[64] = "memory_limit=0";
    const char *const settings[] = {"space=rfdn_small",
                                    "search.batch=10",
                                    "search.patch=48",
                                    "retrain.batch=4",
                                    "quantize.batch=4",
                                    "data.valid_count=2",
                                    limit,
                                    NULL};
    snprintf(limit, sizeof limit, "memory_limit=%.0f", 0.85 * announced(settings).total);
    check_announced(state, settings, PIPELINE_SEARCH | PIPELINE_RETRAIN, 100e6);
}

/* Searches with the settings; the bits of all files that depend on the result. */
static void search_in(void **state, const char *folder, const char *limit) {
    struct error error = {0};
    struct spec spec;
    struct result_list results = {0};
    char out[600];
    const char *settings[] = {"space=quantnas_small",
                              "search.epochs=1",
                              "search.steps_per_epoch=3",
                              "search.warm_up=0",
                              "search.batch=4",
                              "data.valid_count=2",
                              "data.train_count=8",
                              limit,
                              out};
    snprintf(out, sizeof out, "out=%s", temporary_path(state, folder));
    search_setup_need(
        spec_read(&spec, NULL, settings, sizeof settings / sizeof settings[0], &error), &error);
    struct pipeline_options options = {.stages = PIPELINE_SEARCH};
    search_setup_need(pipeline_run(&spec, &options, &results, &error), &error);
    spec_free(&spec);
}

static void a_limited_search_finds_the_same(void **state) {
    struct error error = {0};
    struct spec spec;
    struct pipeline_memory memory;
    const char *const settings[] = {"space=quantnas_small", "search.batch=4",  "data.valid_count=2",
                                    "data.train_count=8",   "retrain.batch=1", "quantize.batch=1"};
    search_setup_need(spec_read(&spec, NULL, settings, 6, &error), &error);
    struct space *space = spec_space(&spec, &error);
    search_setup_need(space && pipeline_memory(&spec, space, &memory, &error), &error);
    char limit[64];
    double bytes = memory.total - 0.25 * memory.search;
    snprintf(limit, sizeof limit, "memory_limit=%.0f", bytes);
    search_in(state, "full", "memory_limit=0");
    search_in(state, "limited", limit);
    static const char *const files[] = {"arch.yaml", "checkpoint/supernet.safetensors"};
    for (int i = 0; i < 2; i++) {
        char *data[2], path[100];
        size_t size[2];
        for (int k = 0; k < 2; k++) {
            snprintf(path, sizeof path, "%s/%s", k ? "limited" : "full", files[i]);
            search_setup_need(
                file_read(temporary_path(state, path), ERROR_FAILED, &data[k], &size[k], &error),
                &error);
        }
        assert_int_equal(size[0], size[1]);
        assert_memory_equal(data[0], data[1], size[0]);
        memory_free(data[0]);
        memory_free(data[1]);
    }
    /* Far too little: the sentence names the setting and says what is needed. */
    spec.memory_limit = memory.total - 0.99 * memory.search;
    assert_false(pipeline_memory(&spec, space, &memory, &error));
    assert_non_null(strstr(error.text, "memory_limit: search: training needs at least"));
    memset(&error, 0, sizeof error);
    spec.memory_limit = 1e6;
    assert_false(pipeline_memory(&spec, space, &memory, &error));
    assert_non_null(strstr(error.text, "beside the network's tensors"));
    space_free(space);
    spec_free(&spec);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, temporary_setup, temporary_teardown)

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_search_takes_what_was_announced),
        IN_FOLDER(a_limited_search_keeps_to_its_limit),
        IN_FOLDER(direct_quantization_takes_what_was_announced),
        IN_FOLDER(retraining_takes_what_was_announced),
        IN_FOLDER(many_parameters_take_what_was_announced),
        IN_FOLDER(data_and_large_validation_images_count_too),
        /* Last: it starts threads here, and children of a process that has some cannot use theirs.
         */
        IN_FOLDER(a_limited_search_finds_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
