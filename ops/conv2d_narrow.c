/* Convolutions with a few output channels: lanes are kernel columns times output channels. */
#include "ops/conv2d_narrow.h"

#include <stdint.h>

#include "core/threads.h"
#include "ops/conv2d_panel.h"
#include "ops/conv2d_tile.h"
#include "ops/kernel_simd.h"

enum { MOST_CHANNELS = 4 };
typedef uint32_t lane_mask __attribute__((vector_size(MOST_CHANNELS * sizeof(uint32_t))));

bool conv2d_narrow_fits(const struct conv2d_dense *d) {
    return d->groups == 1 && d->out_per_group <= MOST_CHANNELS && d->kernel_w > 1 && d->step == 1 &&
           d->spread == 1;
}

/* Everything that the tiles share; sizes in floats. */
struct narrow {
    struct conv2d_dense dense;
    struct conv2d_dense column; /* the kernel of one column, whose output is P */
    struct conv2d_tiling tiling;
    size_t width; /* lanes of a pixel of P, a multiple of 8 */
    size_t reach; /* pixels that P has more than the output in a row */
    size_t weight_floats, packed_floats;
    size_t input_floats, mapped_floats, sums_floats, row_floats;
    const struct conv2d_correlate_arrays *arrays;
    const float *packed, *zeros;
    float *buffers; /* of all threads */
    simd_float4 bias;
    lane_mask keep; /* all ones for true channels */
};

static struct narrow plan(const struct conv2d_dense *dense) {
    struct narrow n = {.dense = *dense};
    n.tiling = conv2d_tiling_make(&n.dense);
    n.column = n.dense;
    n.column.kernel_w = 1;
    n.column.out_per_group = dense->kernel_w * dense->out_per_group;
    n.width = conv2d_channel_width(&n.column);
    n.reach = (size_t)(dense->kernel_w - 1) * (size_t)dense->dilation;
    size_t columns = (size_t)n.tiling.columns;
    n.packed_floats = conv2d_round_up(conv2d_packed_floats(&n.column), 16);
    n.weight_floats = conv2d_round_up(
        (size_t)dense->kernel_h * (size_t)dense->in_per_group * (size_t)n.column.out_per_group, 16);
    n.input_floats = conv2d_round_up(n.tiling.input_floats, 16);
    n.mapped_floats = conv2d_round_up(n.tiling.mapped_floats, 16);
    /* The last lanes are read four at a time, too. */
    n.sums_floats = conv2d_round_up((columns + n.reach) * n.width + MOST_CHANNELS, 16);
    n.row_floats = conv2d_round_up(columns * dense->out_pitch, 16);
    return n;
}

static size_t thread_floats(const struct narrow *n) {
    return n->input_floats + n->mapped_floats + n->sums_floats + n->row_floats;
}

size_t conv2d_narrow_correlate_scratch(const struct conv2d_dense *dense) {
    struct narrow n = plan(dense);
    return (n.weight_floats + n.packed_floats + conv2d_round_up(n.width, 16) +
            CONV2D_MAX_THREADS * thread_floats(&n)) *
           sizeof(float);
}

/* The weights of the kernel of one column, [kernel column, out][kernel row][in]. */
static void arrange_weight(const struct conv2d_dense *d, const float *weight, bool transposed,
                           float *to) {
    size_t height = (size_t)d->kernel_h, width = (size_t)d->kernel_w;
    size_t outs = (size_t)d->out_per_group, ins = (size_t)d->in_per_group;
    for (size_t kx = 0; kx < width; kx++)
        for (size_t out = 0; out < outs; out++)
            for (size_t ky = 0; ky < height; ky++)
                for (size_t in = 0; in < ins; in++) {
                    size_t tap = ky * width + kx, last = height * width - 1;
                    size_t plain = (out * height * width + tap) * ins + in;
                    size_t turned = (in * height * width + last - tap) * outs + out;
                    *to++ = weight[transposed ? turned : plain];
                }
}

/* One row of P for a tile, from its first copied input pixel. */
static void correlate_row(const struct narrow *n, const float *input, size_t pixels, float *sums) {
    const struct conv2d_dense *d = &n->dense;
    size_t run = (size_t)d->kernel_h * (size_t)d->in_per_group;
    for (size_t first = 0; first < n->width;) {
        const struct conv2d_panel *panel = conv2d_panel_next((int)(n->width - first));
        struct correlate_block block = {
            .input = input,
            .pixel_step = (size_t)d->in_per_group,
            .tap_rows = d->kernel_h,
            .tap_row_step = n->tiling.row_floats * (size_t)d->dilation,
            .tap_columns = 1,
            .length = (size_t)d->in_per_group,
            .weight = n->packed + first * run,
            .start = n->zeros,
            .output = sums + first,
            .output_pitch = n->width,
        };
        size_t most = (size_t)panel->max_rows, blocks = (pixels + most - 1) / most;
        for (size_t i = 0; i < blocks; i++) {
            size_t rows = pixels / blocks + (i < pixels % blocks);
            panel->correlate(&block, (int)rows);
            block.input += rows * block.pixel_step;
            block.output += rows * block.output_pitch;
        }
        first += (size_t)panel->width;
    }
}

SIMD_INLINE simd_float4 only(simd_float4 values, lane_mask keep) {
    return (simd_float4)((lane_mask)values & keep);
}

/* output[x] = bias + the sum over `taps` kernel columns of P. `taps` is a literal where speed
 * matters. */
SIMD_INLINE void add_columns(const struct narrow *n, const float *sums, size_t pixels,
                             const size_t taps, float *output, bool accumulate) {
    const size_t width = n->width, pitch = n->dense.out_pitch;
    const size_t tap_step = (size_t)n->dense.dilation * width + (size_t)n->dense.out_per_group;
    const simd_float4 bias = n->bias;
    const lane_mask keep = n->keep;
    for (size_t x = 0; x < pixels; x++, sums += width, output += pitch) {
        simd_float4 sum = bias;
        for (size_t tap = 0; tap < taps; tap++)
            sum += simd_load4(sums + tap * tap_step);
        if (accumulate) sum += simd_load4(output);
        simd_store4(output, only(sum, keep));
        simd_store4(output + 4, (simd_float4){0});
    }
}

static void combine_row(const struct narrow *n, const float *sums, size_t pixels, float *output,
                        bool accumulate) {
    if (n->dense.kernel_w == 3)
        add_columns(n, sums, pixels, 3, output, accumulate);
    else if (n->dense.kernel_w == 5)
        add_columns(n, sums, pixels, 5, output, accumulate);
    else
        add_columns(n, sums, pixels, (size_t)n->dense.kernel_w, output, accumulate);
}

/* Through the map to the output; padding is zeroed also where the map made something of it. */
static void store_row(const struct narrow *n, const float *row, float *output, size_t pixel,
                      size_t pixels) {
    size_t pitch = n->dense.out_pitch;
    conv2d_map_pixels(n->arrays->store, row, output, pixel, pixels, pitch,
                      (size_t)n->dense.out_width);
    for (size_t x = 0; x < pixels; x++, output += pitch) {
        simd_store4(output, only(simd_load4(output), n->keep));
        simd_store4(output + 4, (simd_float4){0});
    }
}

static void run_tile(const void *context, int index, int thread) {
    const struct narrow *n = context;
    const struct conv2d_dense *d = &n->dense;
    const struct conv2d_tiling *t = &n->tiling;
    const struct conv2d_correlate_arrays *arrays = n->arrays;
    struct conv2d_tile tile = conv2d_tile_at(d, t, index);
    float *buffer = n->buffers + (size_t)thread * thread_floats(n);
    float *mapped = buffer + n->input_floats, *sums = mapped + n->mapped_floats;
    float *row = sums + n->sums_floats;
    struct conv2d_view view = conv2d_tile_view(d, t, &tile, arrays->input, arrays->load, mapped);
    const float *input = conv2d_tile_input(d, t, &tile, &view, 0, buffer);
    size_t columns = (size_t)tile.columns;
    size_t image_row = (size_t)tile.image * (size_t)d->out_height + (size_t)tile.y;
    size_t pixel = image_row * (size_t)d->out_width + (size_t)tile.x;
    for (int y = 0; y < tile.rows; y++) {
        float *output = arrays->output + pixel * d->out_pitch;
        correlate_row(n, input, columns + n->reach, sums);
        if (arrays->store) {
            combine_row(n, sums, columns, row, false);
            store_row(n, row, output, pixel, columns);
        } else {
            combine_row(n, sums, columns, output, arrays->accumulate);
        }
        input += t->row_floats;
        pixel += (size_t)d->out_width;
    }
}

void conv2d_narrow_correlate(const struct conv2d_dense *dense,
                             const struct conv2d_correlate_arrays *arrays) {
    struct narrow n = plan(dense);
    float *weight = arrays->scratch, *packed = weight + n.weight_floats;
    float *zeros = packed + n.packed_floats;
    arrange_weight(dense, arrays->weight, arrays->transposed, weight);
    conv2d_pack_weight(&n.column, weight, false, packed);
    for (size_t i = 0; i < n.width; i++)
        zeros[i] = 0;
    n.arrays = arrays;
    n.packed = packed;
    n.zeros = zeros;
    n.buffers = zeros + conv2d_round_up(n.width, 16);
    for (int out = 0; out < dense->out_per_group; out++) {
        n.keep[out] = UINT32_MAX;
        if (arrays->bias) n.bias[out] = arrays->bias[out];
    }
    threads_run(conv2d_tile_count(&n.dense, &n.tiling), CONV2D_MAX_THREADS, run_tile, &n);
}
