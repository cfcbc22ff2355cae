#include "tests/support/c_program.h"
#include "core/file.h"
#include "eval/export_c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

const struct c_target c_targets[] = {
    {"gcc", "gcc", "-O2", ""},
    {"clang", "clang", "-O2", ""},
    {"gcc with fused multiply-add", "gcc", "-O3 -march=x86-64-v3", ""},
    {"clang with fused multiply-add", "clang", "-O3 -march=x86-64-v3", ""},
    {"32-bit ARM", "arm-linux-gnueabihf-gcc", "-O2 -static", "qemu-arm "},
    {"big-endian PowerPC", "powerpc-linux-gnu-gcc", "-O2 -static", "qemu-ppc "},
};
const int c_target_count = (int)(sizeof c_targets / sizeof *c_targets);

static bool runs(const char *command) {
    return system(command) == 0;
}

static bool is_there(const char *program) {
    char command[256];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", program);
    return !*program || runs(command);
}

bool c_target_is_there(const struct c_target *target) {
    return is_there(target->compiler) && is_there(target->emulator);
}

void c_program_folder(char *folder) {
    strcpy(folder, "/tmp/tamis-export-c-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

void c_program_remove(const char *folder) {
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_true(runs(command));
}

void c_program_write(const struct integer_network *network, int scale, const char *title,
                     const char *folder) {
    struct error error = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/model.c", folder);
    assert_true(export_c_write(network, scale, title, path, &error));
}

void c_program_build(const struct c_target *target, const char *folder) {
    char command[1024];
    snprintf(command, sizeof command,
             "cd %s && %s %s -std=c99 -Wall -Wextra -pedantic -Werror -DMODEL_MAIN model.c "
             "-o program -lm",
             folder, target->compiler, target->flags);
    if (!runs(command)) fail_msg("%s", command);
}

static void write_ppm(const struct image *image, const char *path) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "P6\n# a comment\n%d %d\n255\n", image->width, image->height);
    for (size_t i = 0; i < (size_t)image->width * (size_t)image->height; i++)
        for (int c = 0; c < 3; c++)
            putc(image->pixels[image->channels == 1 ? i : 3 * i + (size_t)c], file);
    assert_int_equal(fclose(file), 0);
}

bool c_program_makes(const struct c_target *target, const char *folder, const struct image *low,
                     const struct image *wanted, unsigned long *memory) {
    char command[1024], path[512], head[64];
    snprintf(path, sizeof path, "%s/low.ppm", folder);
    write_ppm(low, path);
    snprintf(command, sizeof command,
             "cd %s && rm -f high.ppm && %s ./program low.ppm high.ppm 2>memory", folder,
             target->emulator);
    if (!runs(command)) fail_msg("%s", command);
    struct error error = {0};
    char *data;
    size_t size;
    snprintf(path, sizeof path, "%s/high.ppm", folder);
    assert_true(file_read(path, ERROR_DATA, &data, &size, &error));
    int length = snprintf(head, sizeof head, "P6\n%d %d\n255\n", wanted->width, wanted->height);
    assert_int_equal(size, (size_t)length + image_bytes(wanted));
    assert_memory_equal(data, head, length);
    bool same = memcmp(data + length, wanted->pixels, image_bytes(wanted)) == 0;
    memory_free(data);
    if (memory) {
        snprintf(path, sizeof path, "%s/memory", folder);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        assert_int_equal(fscanf(file, "%lu", memory), 1);
        fclose(file);
    }
    return same;
}
