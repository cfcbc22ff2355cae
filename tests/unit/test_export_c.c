/* The C file makes the bits that the integer engine makes, with every compiler that is there. */
#include "core/file.h"
#include "core/log.h"
#include "eval/export_c.h"
#include "eval/integer_engine.h"
#include "eval/leaves.h"
#include "tests/support/integers.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* How the program is built, and what runs it. */
struct target {
    const char *name, *compiler, *flags, *emulator;
};
static const struct target targets[] = {
    {"gcc", "gcc", "-O2", ""},
    {"clang", "clang", "-O2", ""},
    {"gcc with fused multiply-add", "gcc", "-O3 -march=x86-64-v3", ""},
    {"clang with fused multiply-add", "clang", "-O3 -march=x86-64-v3", ""},
    {"32-bit ARM", "arm-linux-gnueabihf-gcc", "-O2 -static", "qemu-arm "},
    {"big-endian PowerPC", "powerpc-linux-gnu-gcc", "-O2 -static", "qemu-ppc "},
};

static bool runs(const char *command) {
    return system(command) == 0;
}

static bool is_there(const char *program) {
    char command[256];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return !*program || runs(command);
}

static void write_ppm(const struct image *image, const char *path) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "P6\n# a comment\n%d %d\n255\n", image->width, image->height);
    fwrite(image->pixels, 1, image_bytes(image), file);
    assert_int_equal(fclose(file), 0);
}

/* Builds the program for the target and compares what it makes of `low` with `wanted`. */
static void check_target(const struct target *target, const char *folder, const struct image *low,
                         const struct image *wanted, const char *what) {
    char command[2048], path[512], head[64];
    snprintf(path, sizeof path, "%s/low.ppm", folder);
    write_ppm(low, path);
    snprintf(
        command, sizeof command,
        "cd %s && rm -f high.ppm && %s %s -std=c99 -Wall -Wextra -pedantic -Werror -DMODEL_MAIN "
        "model.c -o program -lm && %s ./program low.ppm high.ppm 2>memory",
        folder, target->compiler, target->flags, target->emulator);
    if (!runs(command)) fail_msg("%s: %s", what, command);
    struct error error = {0};
    char *data;
    size_t size;
    snprintf(path, sizeof path, "%s/high.ppm", folder);
    assert_true(file_read(path, ERROR_DATA, &data, &size, &error));
    int length = snprintf(head, sizeof head, "P6\n%d %d\n255\n", wanted->width, wanted->height);
    assert_int_equal(size, (size_t)length + image_bytes(wanted));
    assert_memory_equal(data, head, length);
    if (memcmp(data + length, wanted->pixels, image_bytes(wanted)) != 0)
        fail_msg("%s: other bits by %s", what, target->name);
    memory_free(data);
}

static unsigned long memory_of(const char *folder) {
    char path[512];
    unsigned long bytes = 0;
    snprintf(path, sizeof path, "%s/memory", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &bytes), 1);
    fclose(file);
    return bytes;
}

static void make_folder(char *folder) {
    strcpy(folder, "/tmp/tamis-export-c-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

/* Writes the C file there. */
static void write_model(const struct integers *integers, const char *title, const char *folder) {
    struct error error = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/model.c", folder);
    assert_true(export_c_write(&integers->compiled, 2, title, path, &error));
}

static void remove_folder(const char *folder) {
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_true(runs(command));
}

static void bits_are_those_of_the_engine(void **state) {
    (void)state;
    static const struct {
        const char *space;
        int bits, shift;
    } cases[] = {{"rfdn_small", 8, 1},   {"rfdn_small", 4, 0},   {"mbconv_small", 0, 1},
                 {"mbconv_small", 4, 2}, {"hybrid_small", 8, 2}, {"quantnas_small", 0, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error error = {0};
        struct integers integers;
        char folder[64];
        make_folder(folder);
        integers_open(&integers, cases[i].space, cases[i].bits, cases[i].shift);
        struct integer_engine engine =
            integer_engine_create(&integers.compiled, integer_kernel_best());
        struct image low = leaves_image(7, i, 53, 41);
        struct image high = integer_engine_upscale(&engine, &low, &error);
        assert_non_null(high.pixels);
        write_model(&integers, cases[i].space, folder);
        for (size_t k = 0; k < sizeof targets / sizeof *targets; k++) {
            /* Every target sees the first case, which has most operations; the first target all. */
            bool has = is_there(targets[k].compiler) && is_there(targets[k].emulator);
            if (!has && i == 0)
                print_message("skipped %s: %s%s is not installed\n", targets[k].name,
                              targets[k].emulator, targets[k].compiler);
            if (has && (k == 0 || i == 0 || i == 4))
                check_target(&targets[k], folder, &low, &high, cases[i].space);
        }
        image_free(&low);
        image_free(&high);
        integer_engine_free(&engine);
        integers_close(&integers);
        remove_folder(folder);
    }
}

/* Ten times the height takes no more memory. */
static void memory_is_that_of_rows(void **state) {
    (void)state;
    struct error error = {0};
    struct integers integers;
    char folder[64];
    make_folder(folder);
    integers_open(&integers, "mbconv_small", 8, 1);
    struct integer_engine engine = integer_engine_create(&integers.compiled, integer_kernel_best());
    write_model(&integers, "mbconv_small", folder);
    unsigned long bytes[2];
    for (int i = 0; i < 2; i++) {
        struct image low = leaves_image(7, 1, 40, i ? 300 : 30);
        struct image high = integer_engine_upscale(&engine, &low, &error);
        check_target(&targets[0], folder, &low, &high, "mbconv_small");
        bytes[i] = memory_of(folder);
        image_free(&low);
        image_free(&high);
    }
    assert_int_equal(bytes[0], bytes[1]);
    integer_engine_free(&engine);
    integers_close(&integers);
    remove_folder(folder);
}

int main(void) {
    log_set_level(LOG_QUIET);
    if (!is_there("gcc")) {
        print_message("skipped: gcc is not installed\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bits_are_those_of_the_engine),
        cmocka_unit_test(memory_is_that_of_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
