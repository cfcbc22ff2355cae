/*
 * libFuzzer target: any text as a space at scale 2, through the entry that files take. What is a
 * good space then goes through all that `tamis check` computes of it alone. `tests/fuzz/run` builds
 * and runs it.
 */
#include "core/memory.h"
#include "core/yaml.h"
#include "spaces/cost.h"
#include "tests/support/bad_spaces.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argument_count, char ***arguments);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A text that includes others would read files. Decided on what the parser makes of it, as a key
 * can be written in many ways. */
static bool includes_files(const char *text, size_t size) {
    struct yaml_document document = {0};
    struct error ignored = {0};
    if (!yaml_parse("fuzz.yaml", text, size, &document, &ignored)) return false;
    bool includes = yaml_get(document.root, "include") != NULL;
    yaml_free(&document);
    return includes;
}

static void look_at(const struct space *space) {
    /* Small, as only the sizes count; windows and strides fit. */
    enum { HEIGHT = 16, WIDTH = 24 };
    struct error error = {0};
    struct cost smallest, largest;
    if (!(space_size(space) >= 1)) abort();
    struct cost_model *model = cost_model_create(space, HEIGHT, WIDTH, &error);
    if (model) {
        struct architecture *architecture = architecture_create(space);
        cost_range(model, &smallest, &largest);
        struct cost cost = cost_of(model, architecture, false);
        double slack = 1e-9 * largest.bitops; /* sums in other orders */
        if (!(smallest.bitops - slack <= cost.bitops && cost.bitops <= largest.bitops + slack))
            abort();
        char *text = architecture_text(architecture);
        memory_free(text);
        architecture_free(architecture);
    } else if (error.count == 0) {
        abort(); /* refused without a sentence */
    }
    cost_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct space_settings settings = {.scale = 2};
    struct error error = {0};
    char *text = memory_allocate(size + 1); /* as file_read gives it, with a zero behind it */
    if (size > 0) memcpy(text, data, size);
    if (includes_files(text, size)) {
        memory_free(text);
        return -1;
    }
    struct space *space = space_parse("fuzz.yaml", text, size, &settings, &error);
    if (space)
        look_at(space);
    else if (error.count == 0)
        abort(); /* refused without a sentence */
    space_free(space);
    memory_free(text);
    return 0;
}

static void write_seeds(const char *folder, const struct bad_space *spaces, int count) {
    for (int i = 0; i < count; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s.yaml", folder, spaces[i].name);
        FILE *file = fopen(path, "w");
        if (!file || fputs(spaces[i].text, file) < 0 || fclose(file) != 0) {
            fprintf(stderr, "cannot write the seed %s\n", path);
            exit(1);
        }
    }
}

/* Texts that only C sources have become seeds of the folder TAMIS_FUZZ_SEEDS before it is read. */
int LLVMFuzzerInitialize(int *argument_count, char ***arguments) {
    const char *folder = getenv("TAMIS_FUZZ_SEEDS");
    (void)argument_count;
    (void)arguments;
    if (!folder) return 0;
    write_seeds(folder, bad_spaces, bad_space_count);
    write_seeds(folder, bad_choices, bad_choice_count);
    return 0;
}
