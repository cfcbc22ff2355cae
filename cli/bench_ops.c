/* tamis bench ops [NAME...]: single operations against the multiply-add peak or a copy. */
#include "cli/bench.h"
#include "cli/bench_operation.h"
#include "cli/output.h"
#include "core/json.h"
#include "ops/peak.h"
#include <stdio.h>
#include <string.h>

/* Convolutions: batch x size x size pixels, stride 1 and the same size out unless `stride` says
 * otherwise. The first ten are those of the table that peers were measured with. */
struct convolution {
    int batch, size, in, out, kernel_h, kernel_w, groups, stride, dilation;
};
static const struct convolution convolutions[] = {
    {16, 48, 64, 64, 3, 3, 1, 1, 1},
    {16, 45, 48, 48, 1, 1, 1, 1, 1},
    {16, 45, 48, 48, 3, 3, 1, 1, 1},
    {16, 45, 48, 48, 5, 5, 1, 1, 1},
    {16, 32, 36, 36, 3, 3, 1, 1, 1},
    {16, 48, 64, 64, 3, 3, 64, 1, 1},
    {16, 48, 64, 64, 5, 5, 64, 1, 1},
    {16, 48, 64, 48, 3, 3, 1, 1, 1},
    {1, 256, 50, 50, 3, 3, 1, 1, 1},
    {16, 45, 48, 48, 3, 3, 2, 1, 1},
    /* The supernets of the published code. */
    {8, 32, 24, 24, 1, 1, 1, 1, 1},
    {8, 32, 24, 24, 3, 3, 1, 1, 1},
    {8, 32, 24, 24, 5, 5, 1, 1, 1},
    {8, 32, 24, 12, 1, 1, 1, 1, 1},
    {8, 32, 24, 12, 3, 3, 1, 1, 1},
    {8, 32, 24, 12, 5, 5, 1, 1, 1},
    {8, 32, 24, 48, 1, 1, 1, 1, 1},
    {8, 32, 24, 48, 3, 3, 1, 1, 1},
    {8, 32, 24, 48, 5, 5, 1, 1, 1},
    {8, 32, 24, 24, 1, 1, 2, 1, 1},
    {8, 32, 24, 24, 3, 3, 2, 1, 1},
    {8, 32, 24, 24, 5, 5, 2, 1, 1},
    {8, 32, 48, 48, 3, 3, 1, 1, 1},
    {8, 32, 48, 48, 5, 5, 1, 1, 1},
    {8, 32, 48, 48, 3, 3, 2, 1, 1},
    {8, 32, 48, 48, 5, 5, 2, 1, 1},
    {8, 128, 3, 24, 5, 5, 1, 1, 1},
    {8, 128, 24, 3, 5, 5, 1, 1, 1},
    {8, 128, 3, 24, 3, 3, 1, 1, 1},
    {8, 128, 24, 3, 3, 3, 1, 1, 1},
    {8, 128, 3, 3, 5, 5, 1, 1, 1},
    {8, 128, 3, 3, 3, 3, 1, 1, 1},
    /* Others that spaces have. */
    {16, 32, 24, 24, 1, 1, 1, 1, 1},
    {16, 32, 24, 24, 3, 3, 1, 1, 1},
    {16, 32, 36, 36, 5, 5, 1, 1, 1},
    {16, 45, 48, 48, 7, 7, 1, 1, 1},
    {16, 45, 48, 48, 3, 1, 1, 1, 1},
    {16, 45, 48, 48, 1, 5, 1, 1, 1},
    {16, 45, 48, 48, 3, 3, 1, 1, 2},
    {16, 45, 50, 50, 3, 3, 2, 1, 1},
    {16, 48, 50, 25, 1, 1, 1, 1, 1},
    {16, 48, 3, 48, 3, 3, 1, 1, 1},
    {16, 48, 48, 12, 3, 3, 1, 1, 1},
    {16, 48, 12, 12, 3, 3, 1, 2, 1},
    {1, 256, 50, 50, 1, 1, 1, 1, 1},
};
enum { CONVOLUTION_COUNT = sizeof convolutions / sizeof convolutions[0] };

/* What follows the first tensor of an operation. */
enum second { NONE, SAME, PROBABILITIES, STEP, PROBABILITIES_FIRST };

/* Operations that are bound by memory, on 16x48x48 pixels. */
struct elementwise {
    const char *op, *label;
    int channels;
    enum second second;
    int list[5], list_count;
    struct {
        const char *name;
        double value;
    } set[3];
};
static const struct elementwise elementwise[] = {
    {"relu", "", 64, NONE, {0}, 0, {{0}}},
    {"sigmoid", "", 64, NONE, {0}, 0, {{0}}},
    {"add", "", 64, SAME, {0}, 0, {{0}}},
    {"multiply", "", 64, SAME, {0}, 0, {{0}}},
    {"concat", "", 64, SAME, {0}, 0, {{0}}},
    {"batch_norm", "", 64, NONE, {0}, 0, {{0}}},
    {"layer_norm", "", 64, NONE, {0}, 0, {{0}}},
    {"deviation", "", 64, NONE, {0}, 0, {{0}}},
    {"hwgq", "8 bits", 64, NONE, {0}, 0, {{"bits", 8}}},
    {"lsq", "8 bits", 64, STEP, {0}, 0, {{"bits", 8}}},
    {"quant_noise", "normal", 64, PROBABILITIES, {4, 8}, 2, {{"distribution", 0}}},
    {"quant_noise", "uniform", 64, PROBABILITIES, {4, 8}, 2, {{"distribution", 1}}},
    {"mix", "of 3", 64, PROBABILITIES_FIRST, {0, 2, 4, 6}, 4, {{0}}},
    {"pixel_shuffle", "x4", 48, NONE, {0}, 0, {{"scale", 4}}},
    {"resize", "bilinear x2", 16, NONE, {0}, 0, {{"scale", 2}}},
    {"resize", "bicubic x2", 16, NONE, {0}, 0, {{"scale", 2}, {"mode", 2}}},
    {"max_pool", "7 stride 3", 64, NONE, {0}, 0, {{"kernel", 7}, {"stride", 3}}},
    {"window_attention", "8, 4 heads", 64, NONE, {0}, 0, {{"window", 8}, {"heads", 4}}},
};
enum { ELEMENTWISE_COUNT = sizeof elementwise / sizeof elementwise[0] };

static void set_convolution(struct bench_operation *operation, const struct convolution *c) {
    bool is_depthwise = c->groups == c->in && c->groups == c->out;
    bench_operation_init(operation, is_depthwise ? "depthwise" : "conv");
    operation->shape[operation->tensors++] = shape_activation(c->batch, c->size, c->size, c->in);
    bench_operation_set(operation, "kernel_h", c->kernel_h);
    bench_operation_set(operation, "kernel_w", c->kernel_w);
    bench_operation_set(operation, "stride", c->stride);
    bench_operation_set(operation, "dilation", c->dilation);
    if (is_depthwise) return;
    bench_operation_set(operation, "out", c->out);
    bench_operation_set(operation, "groups", c->groups);
}

static void set_elementwise(struct bench_operation *operation, const struct elementwise *e) {
    struct shape tensor = shape_activation(16, 48, 48, e->channels);
    bench_operation_init(operation, e->op);
    for (int i = 0; i < 3 && e->set[i].name; i++)
        bench_operation_set(operation, e->set[i].name, e->set[i].value);
    memcpy(operation->list, e->list, sizeof e->list);
    operation->list_count = e->list_count;
    struct shape *next = operation->shape;
    if (e->second == PROBABILITIES_FIRST) {
        *next++ = shape_vector(e->list[e->list_count - 1]);
        for (int i = 1; i < e->list_count; i++)
            *next++ = tensor;
    } else {
        *next++ = tensor;
        if (e->second == SAME) *next++ = tensor;
        if (e->second == STEP) *next++ = shape_vector(1);
        if (e->second == PROBABILITIES) *next++ = shape_vector(e->list_count);
    }
    operation->tensors = (int)(next - operation->shape);
}

/* --- Measuring -----------------------------------------------------------------------------------
 */

struct row {
    struct bench_operation *operation;
    const struct convolution *convolution; /* NULL: not one */
    enum bench_pass pass;
    char shape[64];
    bool is_counted; /* in floating-point operations, else in bytes */
    struct bench_result result;
};

static bool run_pass(void *context, int64_t index, struct error *error) {
    const struct row *row = context;
    (void)index;
    (void)error;
    bench_operation_run(row->operation, row->pass);
    return true;
}

/* The reference of what is bound by memory: a copy of the first big tensor. */
static double copy_once(void *context) {
    const struct bench_operation *operation = context;
    int at = operation->shape[0].h > 1 ? 0 : 1;
    return peak_copy_once(operation->gradient[at], operation->input[at],
                          shape_floats(operation->shape[at]));
}

static double flops_once(void *context) {
    (void)context;
    return peak_flops_once();
}

static bool measure_row(struct row *row, double seconds, struct error *error) {
    struct bench_operation *operation = row->operation;
    struct bench_job job = {.work = run_pass,
                            .context = row,
                            .reference = row->is_counted ? flops_once : copy_once,
                            .reference_context = operation,
                            .amount = row->is_counted ? bench_operation_flop(operation, row->pass)
                                                      : bench_operation_bytes(operation, row->pass),
                            .seconds = seconds,
                            .minimum = 5};
    return bench_repeat(&job, &row->result, error);
}

/* --- Printing ------------------------------------------------------------------------------------
 */

static json_t *row_json(const struct row *row) {
    const struct convolution *c = row->convolution;
    const struct bench_result *result = &row->result;
    json_t *object = json_object();
    json_object_set_new(object, "op", json_string(row->operation->op->name));
    json_object_set_new(object, "shape", json_string(row->shape));
    if (c) {
        json_object_set_new(object, "batch", json_integer(c->batch));
        json_object_set_new(object, "size", json_integer(c->size));
        json_object_set_new(object, "in", json_integer(c->in));
        json_object_set_new(object, "out", json_integer(c->out));
        json_object_set_new(object, "kernel", json_pack("[i, i]", c->kernel_h, c->kernel_w));
        json_object_set_new(object, "stride", json_integer(c->stride));
        json_object_set_new(object, "dilation", json_integer(c->dilation));
        json_object_set_new(object, "groups", json_integer(c->groups));
    }
    json_object_set_new(object, "pass", json_string(bench_pass_names[row->pass]));
    json_object_set_new(object, "seconds", json_number(result->seconds));
    json_object_set_new(object, row->is_counted ? "gflops" : "gbytes_per_second",
                        json_number(result->speed / 1e9));
    json_object_set_new(object, row->is_counted ? "peak_gflops" : "copy_gbytes_per_second",
                        json_number(result->reference / 1e9));
    json_object_set_new(object, row->is_counted ? "fraction_of_peak" : "fraction_of_copy",
                        json_number(result->fraction));
    return object;
}

static void print_row(const struct row *row, const struct row *last) {
    const struct bench_result *result = &row->result;
    if (!last || last->is_counted != row->is_counted)
        printf("%s%-17s %-28s %-17s %9s %8s %8s\n", last ? "\n" : "", "operation", "shape", "pass",
               row->is_counted ? "GFLOP/s" : "GB/s", row->is_counted ? "peak" : "copy", "fraction");
    printf("%-17s %-28s %-17s %9.1f %8.1f %8.3f\n", row->operation->op->name, row->shape,
           bench_pass_names[row->pass], result->speed / 1e9, result->reference / 1e9,
           result->fraction);
    fflush(stdout);
}

/* --- The command ---------------------------------------------------------------------------------
 */

static void name_convolution(struct row *row) {
    const struct convolution *c = row->convolution;
    int length = snprintf(row->shape, sizeof row->shape, "%dx%dx%d %d-%d ", c->batch, c->size,
                          c->size, c->in, c->out);
    char *end = row->shape + length;
    size_t left = sizeof row->shape - (size_t)length;
    if (c->kernel_h == c->kernel_w)
        length = snprintf(end, left, "k%d", c->kernel_h);
    else
        length = snprintf(end, left, "%dx%d", c->kernel_h, c->kernel_w);
    end += length;
    left -= (size_t)length;
    bool is_depthwise = c->groups == c->in && c->groups == c->out;
    if (is_depthwise)
        snprintf(end, left, " depthwise");
    else if (c->groups > 1)
        snprintf(end, left, " groups %d", c->groups);
    else if (c->stride > 1)
        snprintf(end, left, " stride %d", c->stride);
    else if (c->dilation > 1)
        snprintf(end, left, " dilation %d", c->dilation);
}

/* Every NAME is in "operation shape". */
static bool is_wanted(const struct options *options, const struct row *row) {
    char text[96];
    snprintf(text, sizeof text, "%s %s", row->operation->op->name, row->shape);
    for (size_t i = 2; i < options->words.count; i++)
        if (!strstr(text, options->words.items[i])) return false;
    return true;
}

struct session {
    const struct options *options;
    json_t *rows;
    struct row last;
    int count;
};

static bool measure_passes(struct session *session, struct row *row, struct error *error) {
    static const enum bench_pass separate[] = {BENCH_FORWARD, BENCH_BACKWARD_DATA,
                                               BENCH_BACKWARD_WEIGHTS};
    static const enum bench_pass together[] = {BENCH_FORWARD, BENCH_BACKWARD};
    const struct options *options = session->options;
    if (!is_wanted(options, row)) return true;
    bool ok = bench_operation_begin(row->operation, error);
    for (int i = 0; ok && i < (row->convolution ? 3 : 2); i++) {
        row->pass = row->convolution ? separate[i] : together[i];
        row->is_counted = row->operation->op->cost != NULL;
        ok = measure_row(row, options->seconds > 0 ? options->seconds : 0.2, error);
        if (ok && options->json)
            json_array_append_new(session->rows, row_json(row));
        else if (ok)
            print_row(row, session->count ? &session->last : NULL);
        session->last = *row;
        session->count++;
    }
    bench_operation_free(row->operation);
    return ok;
}

bool bench_ops(const struct options *options, struct error *error) {
    struct session session = {.options = options, .rows = json_array()};
    static struct bench_operation operation;
    bool ok = true;
    for (int i = 0; ok && i < CONVOLUTION_COUNT; i++) {
        struct row row = {.operation = &operation, .convolution = &convolutions[i]};
        set_convolution(&operation, row.convolution);
        name_convolution(&row);
        ok = measure_passes(&session, &row, error);
    }
    for (int i = 0; ok && i < ELEMENTWISE_COUNT; i++) {
        struct row row = {.operation = &operation};
        set_elementwise(&operation, &elementwise[i]);
        snprintf(row.shape, sizeof row.shape, "16x48x48x%d %s", elementwise[i].channels,
                 elementwise[i].label);
        ok = measure_passes(&session, &row, error);
    }
    if (ok && !session.count)
        ok = error_add(error, ERROR_SPEC, "no row of \"tamis bench ops\" has all of these words");
    if (ok && options->json) {
        json_t *document = bench_document("ops");
        json_object_set(document, "rows", session.rows);
        json_print(document);
        json_decref(document);
    }
    json_decref(session.rows);
    return ok;
}
