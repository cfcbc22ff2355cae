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

static const char guard_text[] =
    "#include <stddef.h>\n"
    "#undef malloc\n"
    "#undef free\n"
    "#include <stdlib.h>\n"
    "#include <string.h>\n"
    "enum { GUARD = 4096 + 1 };\n"
    "void *guarded_malloc(size_t bytes);\n"
    "void guarded_free(void *memory);\n"
    "void *guarded_malloc(size_t bytes) {\n"
    "    unsigned char *all = malloc(sizeof bytes + bytes + 2 * GUARD);\n"
    "    if (!all) abort();\n"
    "    memcpy(all, &bytes, sizeof bytes);\n"
    "    memset(all + sizeof bytes, 170, bytes + 2 * GUARD);\n"
    "    return all + sizeof bytes + GUARD;\n"
    "}\n"
    "void guarded_free(void *memory) {\n"
    "    unsigned char *begin = (unsigned char *)memory - GUARD, *all, *end;\n"
    "    size_t bytes, i;\n"
    "    all = begin - sizeof bytes;\n"
    "    memcpy(&bytes, all, sizeof bytes);\n"
    "    end = begin + GUARD + bytes;\n"
    "    for (i = 0; i < GUARD; i++)\n"
    "        if (begin[i] != 170 || end[i] != 170) abort();\n"
    "    free(all);\n"
    "}\n";

static const char sizes_text[] =
    "#include \"model.h\"\n"
    "#include <stdio.h>\n"
    "#include <stdlib.h>\n"
    "int main(int count, char **arguments) {\n"
    "    int width = count > 2 ? atoi(arguments[1]) : 0, height = count > 2 ? atoi(arguments[2]) : "
    "0;\n"
    "    size_t bytes = model_memory(width, height);\n"
    "    unsigned char *memory = malloc(bytes), pixel[3] = {0};\n"
    "    if (!memory || model_memory(0, height) != 0 || model_memory(width, 0) != 0) return 1;\n"
    "    if (model_upscale(pixel, width, height, pixel, memory, bytes - 1) != MODEL_NO_MEMORY)\n"
    "        return 2;\n"
    "    if (model_upscale(pixel, width, height, pixel, NULL, 0) != MODEL_NO_MEMORY) return 3;\n"
    "    if (model_upscale(pixel, 0, height, pixel, memory, bytes) != MODEL_TOO_SMALL) return 4;\n"
    "    if (model_memory(MODEL_LARGEST + 1, height) != 0) return 5;\n"
    "    if (model_upscale(pixel, width, 2147483647, pixel, memory, bytes) != MODEL_TOO_LARGE)\n"
    "        return 6;\n"
    "    printf(\"%lu\", (unsigned long)bytes);\n"
    "    free(memory);\n"
    "    return 0;\n"
    "}\n";

static void write_beside(const char *folder, const char *name, const char *text) {
    struct error error = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_true(file_write(path, text, strlen(text), &error));
}

void c_program_write(const struct integer_network *network, int scale, const char *title,
                     const char *folder) {
    struct error error = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/model.c", folder);
    assert_true(export_c_write(network, scale, title, path, &error));
    write_beside(folder, "guard.c", guard_text);
    write_beside(folder, "sizes.c", sizes_text);
}

void c_program_build(const struct c_target *target, const char *more, const char *folder) {
    char command[1024];
    snprintf(command, sizeof command,
             "cd %s && %s %s %s -std=c99 -Wall -Wextra -pedantic -Werror -DMODEL_MAIN model.c "
             "-o program -lm",
             folder, target->compiler, target->flags, more);
    if (!runs(command)) fail_msg("%s", command);
}

unsigned long c_program_memory(const char *folder, int width, int height) {
    char command[512];
    unsigned long bytes = 0;
    snprintf(command, sizeof command,
             "cd %s && { test -x sizes || gcc -O1 -std=c99 sizes.c model.c -o sizes -lm; } && "
             "./sizes %d %d",
             folder, width, height);
    FILE *output = popen(command, "r");
    assert_non_null(output);
    int count = fscanf(output, "%lu", &bytes);
    int status = pclose(output);
    if (count != 1 || status != 0) fail_msg("%s ended with %d", command, status);
    return bytes;
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
