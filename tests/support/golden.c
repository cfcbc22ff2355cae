#include "tests/support/golden.h"
#include "core/file.h"
#include "tests/support/shared.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_NOTES = 1024 };
static const double largest_tolerance = 2e-5;

struct golden {
    char file[96];
    struct safetensors tensors;
};

/* Which program covers which files, by the beginning of their names. */
static const struct {
    const char *prefix, *program;
} claims[] = {
    {"conv2d_", "graph"},
    {"linear", "graph"},
    {"act_", "graph"},
    {"block_", "graph"},
    {"optim_", "graph"},
    {"clip_grad_norm", "graph"},
    {"lr_", "graph"},
    {"entropy_schedule", "graph"},
    {"batchnorm", "layers"},
    {"layernorm", "layers"},
    {"instancenorm", "layers"},
    {"groupnorm", "layers"},
    {"pixel_", "layers"},
    {"maxpool", "layers"},
    {"avgpool", "layers"},
    {"interp_", "layers"},
    {"softmax", "layers"},
    {"log_softmax", "layers"},
    {"gumbel_softmax", "layers"},
    {"entropy_of_softmax", "quant"},
    {"loss_", "layers"},
    {"window_attention", "layers"},
    {"attention_plain", "layers"},
    {"swin_attention", "layers"},
    {"quant_", "quant"},
    {"round_", "quant"},
    {"qaconv", "quant"},
    {"shared_qaconv", "quant"},
    {"quanoise", "quant"},
};

static struct {
    char file[96], tensor[64];
    double error;
} notes[MAX_NOTES];
static int note_count;
static char opened[512][96];
static int opened_count;

struct golden *golden_open(const char *file) {
    char relative[160];
    snprintf(relative, sizeof relative, "reference/ops/%s.safetensors", file);
    SKIP_WITHOUT_SHARED(relative);
    struct golden *golden = memory_allocate(sizeof *golden);
    snprintf(golden->file, sizeof golden->file, "%s", file);
    struct error error = {0};
    if (!safetensors_read(shared_path(relative), &golden->tensors, &error)) {
        fail_msg("%s", error.text);
    }
    if (opened_count < 512) snprintf(opened[opened_count++], sizeof opened[0], "%s", file);
    return golden;
}

void golden_close(struct golden *golden) {
    safetensors_free(&golden->tensors);
    memory_free(golden);
}

const struct safetensor *golden_find(const struct golden *golden, const char *name) {
    return safetensors_find(&golden->tensors, name);
}

static const struct safetensor *find_required(const struct golden *golden, const char *name) {
    const struct safetensor *tensor = golden_find(golden, name);
    if (!tensor) fail_msg("%s has no tensor \"%s\"", golden->file, name);
    return tensor;
}

struct shape golden_shape(const struct golden *golden, const char *name) {
    const struct safetensor *tensor = find_required(golden, name);
    int size[4] = {1, 1, 1, 1};
    for (int d = 0; d < tensor->dimensions && d < 4; d++)
        size[d] = (int)tensor->shape[d];
    switch (tensor->dimensions) {
    case 4:
        return shape_activation(size[0], size[2], size[3], size[1]);
    case 3:
        return shape_activation(size[0], 1, size[1], size[2]);
    case 2:
        return shape_activation(1, 1, size[0], size[1]);
    default:
        return shape_vector((int)tensor->elements);
    }
}

/* Index in the file of the element (n, h, w, c) of `shape`. */
static int64_t file_index(const struct safetensor *tensor, struct shape shape, int n, int h, int w,
                          int c) {
    bool is_rearranged = tensor->dimensions == 4 && tensor->shape[0] == shape.n &&
                         tensor->shape[1] == shape.c && tensor->shape[2] == shape.h &&
                         tensor->shape[3] == shape.w;
    if (is_rearranged) return (((int64_t)n * shape.c + c) * shape.h + h) * shape.w + w;
    return (((int64_t)n * shape.h + h) * shape.w + w) * shape.c + c;
}

void golden_fill(const struct golden *golden, const char *name, struct shape shape, float *values) {
    const struct safetensor *tensor = find_required(golden, name);
    if (tensor->elements != (int64_t)shape_elements(shape)) {
        char text[64];
        fail_msg("%s: \"%s\" has %lld elements, not those of %s", golden->file, name,
                 (long long)tensor->elements, shape_text(shape, text));
    }
    memset(values, 0, shape_floats(shape) * sizeof(float));
    for (int n = 0; n < shape.n; n++) {
        for (int h = 0; h < shape.h; h++) {
            for (int w = 0; w < shape.w; w++) {
                size_t pixel = ((size_t)n * (size_t)shape.h + (size_t)h) * (size_t)shape.w + w;
                for (int c = 0; c < shape.c; c++) {
                    int64_t from = file_index(tensor, shape, n, h, w, c);
                    values[pixel * (size_t)shape.pitch + c] = (float)safetensor_value(tensor, from);
                }
            }
        }
    }
}

static void note(const struct golden *golden, const char *tensor, double error) {
    if (note_count == MAX_NOTES) fail_msg("more than %d golden tensors", MAX_NOTES);
    snprintf(notes[note_count].file, sizeof notes[0].file, "%s", golden->file);
    snprintf(notes[note_count].tensor, sizeof notes[0].tensor, "%s", tensor);
    notes[note_count++].error = error;
}

void golden_compare(struct golden *golden, const char *name, struct shape shape,
                    const float *values, double tolerance) {
    if (tolerance == 0) tolerance = GOLDEN_TOLERANCE;
    assert_true(tolerance <= largest_tolerance);
    const struct safetensor *tensor = find_required(golden, name);
    assert_int_equal(tensor->elements, (int64_t)shape_elements(shape));
    double largest = 0, error = 0;
    for (int64_t i = 0; i < tensor->elements; i++) {
        largest = fmax(largest, fabs(safetensor_value(tensor, i)));
    }
    size_t pixels = shape_pixels(shape);
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        const float *at = values + pixel * (size_t)shape.pitch;
        int w = (int)(pixel % (size_t)shape.w), h = (int)(pixel / (size_t)shape.w) % shape.h;
        int n = (int)(pixel / (size_t)shape.w / (size_t)shape.h);
        for (int c = 0; c < shape.c; c++) {
            double expected = safetensor_value(tensor, file_index(tensor, shape, n, h, w, c));
            double difference = fabs(at[c] - expected);
            /* Written so that NaN counts as an error. */
            if (!(difference <= error)) error = difference;
        }
        for (int c = shape.c; c < shape.pitch; c++) {
            if (at[c] != 0.0f) fail_msg("%s: padding of \"%s\" is not zero", golden->file, name);
        }
    }
    if (largest > 0) error /= largest;
    note(golden, name, error);
    if (!(error <= tolerance)) {
        fail_msg("%s: \"%s\" differs by %.3g of its largest value (allowed %.3g)", golden->file,
                 name, error, tolerance);
    }
}

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Fails for a file that this program should have opened and for one that no program claims. */
static int check_coverage(const char *program) {
    const char *path = shared_path("reference/ops/INDEX.tsv");
    if (!path) return 0;
    char *text;
    size_t size;
    struct error error = {0};
    if (!file_read(path, ERROR_DATA, &text, &size, &error)) return 1;
    int missing = 0;
    bool is_header = true;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        char *dot = strstr(line, ".safetensors\t");
        if (is_header || !dot) {
            is_header = false;
            continue;
        }
        *dot = '\0';
        const char *owner = NULL;
        for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++) {
            if (starts_with(line, claims[i].prefix)) owner = claims[i].program;
        }
        bool done = owner && strcmp(owner, program) != 0;
        for (int i = 0; i < opened_count; i++)
            done |= strcmp(opened[i], line) == 0;
        if (!done) {
            printf("no case covers the golden file %s\n", line);
            missing++;
        }
    }
    memory_free(text);
    return missing;
}

int golden_finish(const char *program, int failed) {
    for (int i = 0; i < note_count; i++) {
        printf("| %s | %s | %.1e |\n", notes[i].file, notes[i].tensor, notes[i].error);
    }
    int missing = check_coverage(program);
    return failed || missing ? 1 : 0;
}
