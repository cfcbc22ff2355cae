#include "ops/integer_kernel.h"
#include "core/memory.h"
#include "ops/integer_convolution.h"
#include "ops/integer_kernel_private.h"
#include "ops/integer_winograd.h"

const struct integer_kernel *const integer_kernels[] = {
#if defined(__x86_64__)
    &integer_kernel_vnni, &integer_kernel_avx2,
#elif defined(__aarch64__)
    &integer_kernel_neon,
#endif
    NULL};

const struct integer_kernel *integer_kernel_best(void) {
    const struct integer_kernel *const *kernel = integer_kernels;
    while (*kernel && !(*kernel)->is_supported())
        kernel++;
    return *kernel;
}

/* --- Packing -------------------------------------------------------------------------------------
 */

/* Columns of a block, those beyond the last channel included. */
static int block_columns(const struct integer_packed *packed, int block) {
    int most = packed->kernel->columns;
    return packed->kernel->round_up(integer_least(packed->width - block * most, most));
}

static size_t window_steps(const struct integer_packed *packed) {
    return (size_t)packed->step->kernel_h * (size_t)packed->run_count * (size_t)packed->steps;
}

/* Where the weights of a block begin. */
static unsigned char *block_weights(const struct integer_packed *packed, int group, int block) {
    size_t columns =
        (size_t)group * (size_t)packed->pitch + (size_t)block * (size_t)packed->kernel->columns;
    return packed->weights + window_steps(packed) * columns * (size_t)packed->kernel->column_bytes;
}

/* The weights of output channel `o` into the column of its block; what they make of the bias that
 * the kernel takes off levels is given back by the offset. */
static void pack_channel(const struct integer_packed *packed, const signed char *levels, int column,
                         int columns, signed char *fours, int32_t *offset) {
    size_t rows = (size_t)packed->step->kernel_h * (size_t)packed->run_count;
    for (size_t row = 0; row < rows; row++)
        for (int i = 0; i < packed->run_length; i++) {
            signed char level = levels[row * (size_t)packed->run_length + (size_t)i];
            size_t step = row * (size_t)packed->steps + (size_t)(i / 4);
            fours[(step * (size_t)columns + (size_t)column) * 4 + (size_t)(i % 4)] = level;
            *offset += packed->kernel->level_bias * level;
        }
}

static void pack_weights(struct integer_packed *packed) {
    const struct integer_step *step = packed->step;
    const struct integer_kernel *kernel = packed->kernel;
    size_t count = (size_t)packed->depth * (size_t)step->kernel_h * (size_t)step->kernel_w;
    size_t steps = window_steps(packed);
    signed char *levels = memory_allocate(count);
    signed char *fours = memory_allocate(steps * (size_t)kernel->columns * 4);
    for (int group = 0; group < step->groups; group++)
        for (int block = 0; block < packed->blocks; block++) {
            int columns = block_columns(packed, block), first = block * kernel->columns;
            unsigned char *to = block_weights(packed, group, block);
            memset(fours, 0, steps * (size_t)columns * 4);
            for (int i = 0; i < integer_least(packed->width - first, columns); i++) {
                int o = group * packed->width + first + i;
                int32_t *offset = &packed->offsets[group * packed->pitch + first + i];
                *offset = step->offsets[o];
                integer_unpack(step->weights, step->weight_bits, (size_t)o * count, count, levels);
                pack_channel(packed, levels, i, columns, fours, offset);
            }
            for (size_t i = 0; i < steps; i++) {
                const signed char *from = fours + i * (size_t)columns * 4;
                size_t bytes = (size_t)columns * (size_t)kernel->column_bytes;
                if (kernel->place)
                    kernel->place(from, columns, to + i * bytes);
                else
                    memcpy(to + i * bytes, from, bytes);
            }
        }
    memory_free(levels);
    memory_free(fours);
}

static void fill_lanes(struct integer_lanes *lanes, int at, const struct integer_scaling *scaling,
                       int o, int zero) {
    int place = at / 2 + (at % 2) * 8, shift = scaling->shifts[o];
    int64_t threshold = ((int64_t)zero << shift) + ((int64_t)1 << (shift - 1));
    lanes->multiplier[place] = scaling->multipliers[o];
    lanes->bias[place] = scaling->biases[o] + threshold;
    lanes->threshold[place] = threshold;
    lanes->shift[place] = shift;
    if (!scaling->slope_multipliers) return;
    lanes->slope_multiplier[place] = scaling->slope_multipliers[o];
    lanes->slope_bias[place] = scaling->slope_biases[o] + threshold;
}

static void pack_scaling(struct integer_packed *packed, int zero) {
    const struct integer_step *step = packed->step;
    int per_group = integer_round_up(packed->width, 16) / 16;
    size_t count = (size_t)step->groups * (size_t)per_group;
    packed->lanes = memory_allocate_aligned(count * sizeof *packed->lanes);
    memset(packed->lanes, 0, count * sizeof *packed->lanes);
    for (int group = 0; group < step->groups; group++)
        for (int i = 0; i < packed->width; i++)
            fill_lanes(&packed->lanes[group * per_group + i / 16], i % 16, step->scaling,
                       group * packed->width + i, zero);
}

bool integer_packed_create(struct integer_packed *packed, const struct integer_kernel *kernel,
                           const struct integer_program *program, const struct integer_step *step) {
    int depth = program->values[step->inputs[0]].channels / step->groups;
    int width = program->values[step->output].channels / step->groups;
    *packed = (struct integer_packed){
        .kernel = kernel, .step = step, .depth = depth, .width = width, .run_count = 1};
    if (!kernel || (depth == 1 && step->groups > 1)) return false;
    packed->run_length = depth * step->kernel_w;
    if (step->kernel_w > 1 && (step->groups > 1 || step->dilation > 1)) {
        packed->run_length = depth;
        packed->run_count = step->kernel_w;
    }
    packed->steps = integer_round_up(packed->run_length, 4) / 4;
    packed->blocks = integer_round_up(width, kernel->columns) / kernel->columns;
    packed->pitch =
        (packed->blocks - 1) * kernel->columns + block_columns(packed, packed->blocks - 1);
    size_t columns = (size_t)step->groups * (size_t)packed->pitch;
    packed->weights =
        memory_allocate_aligned(window_steps(packed) * columns * (size_t)kernel->column_bytes);
    /* Kernels read whole vectors. */
    size_t offsets = integer_align(columns * sizeof *packed->offsets);
    packed->offsets = memory_allocate_aligned(offsets);
    memset(packed->offsets, 0, offsets);
    pack_weights(packed);
    integer_winograd_pack(packed);
    if (step->scaling) pack_scaling(packed, program->values[step->output].zero);
    return true;
}

void integer_packed_free(struct integer_packed *packed) {
    memory_free(packed->weights);
    memory_free(packed->words);
    memory_free(packed->offsets);
    memory_free(packed->lanes);
    *packed = (struct integer_packed){0};
}

/* --- Rows ----------------------------------------------------------------------------------------
 */

/* A row of tiles while it is made. */
struct row_work {
    const struct integer_packed *packed;
    const struct integer_call *call;
    int y, first;
    int group, block;
    size_t span;                    /* bytes of a row of the windows of a tile */
    unsigned char *border, *copies; /* `span` levels of zero; rows that meet the border */
    const unsigned char **lines;    /* of the input that the row reads; NULL beyond the border */
    const unsigned char **rows;     /* of the tile */
};

static size_t window_span(const struct integer_packed *packed, int channels, int pixels) {
    const struct integer_step *step = packed->step;
    return (size_t)(pixels - 1) * (size_t)(step->stride * channels) +
           (size_t)(packed->run_count - 1) * (size_t)(step->dilation * channels) +
           (size_t)packed->steps * 4;
}

size_t integer_packed_scratch(const struct integer_packed *packed,
                              const struct integer_program *program) {
    if (packed->words) return integer_winograd_scratch(packed);
    int channels = program->values[packed->step->inputs[0]].channels;
    size_t rows = (size_t)packed->step->kernel_h;
    return integer_align(INTEGER_TILE_PIXELS * INTEGER_TILE_COLUMNS * sizeof(int32_t)) +
           integer_align(2 * rows * sizeof(unsigned char *)) +
           (rows + 1) * integer_align(window_span(packed, channels, INTEGER_TILE_PIXELS));
}

void integer_copy_window(unsigned char *to, const unsigned char *row, ptrdiff_t begin,
                         ptrdiff_t span, ptrdiff_t row_bytes, int zero) {
    ptrdiff_t from = begin < 0 ? 0 : begin;
    ptrdiff_t end = begin + span < row_bytes ? begin + span : row_bytes;
    if (from >= end) {
        memset(to, zero, (size_t)span);
        return;
    }
    memset(to, zero, (size_t)(from - begin));
    memcpy(to + (from - begin), row + from, (size_t)(end - from));
    memset(to + (end - begin), zero, (size_t)(begin + span - end));
}

/* The rows that the windows of the tile read, whose first pixel is number x. */
static void find_rows(const struct row_work *work, int x) {
    const struct integer_step *step = work->packed->step;
    const struct integer_plane *input = integer_input(work->call, 0);
    const struct integer_value *value = integer_input_value(work->call, 0);
    ptrdiff_t row_bytes = (ptrdiff_t)input->width * value->channels, span = (ptrdiff_t)work->span;
    ptrdiff_t begin = ((ptrdiff_t)x * step->stride - step->pad_w) * value->channels +
                      work->group * work->packed->depth;
    bool is_within = begin >= 0 && begin + span <= row_bytes;
    for (int k = 0; k < step->kernel_h; k++) {
        const unsigned char *line = work->lines[k];
        work->rows[k] = line && is_within ? line + begin : work->border;
        if (!line || is_within) continue;
        unsigned char *copy = work->copies + (size_t)k * integer_align(work->span);
        integer_copy_window(copy, line, begin, span, row_bytes, value->zero);
        work->rows[k] = copy;
    }
}

static void sums_to_levels(const struct integer_packed *packed, int zero, int channel,
                           const int32_t *sums, int pixels, int columns, unsigned char *to,
                           size_t pitch) {
    const struct integer_scaling *scaling = packed->step->scaling;
    if (packed->kernel->levels) {
        int group = channel / packed->width, within = channel % packed->width;
        int per_group = integer_round_up(packed->width, 16) / 16;
        packed->kernel->levels(&packed->lanes[group * per_group + within / 16], scaling, sums,
                               pixels, columns, to, pitch);
        return;
    }
    for (int x = 0; x < pixels; x++, sums += INTEGER_TILE_COLUMNS, to += pitch)
        for (int i = 0; i < columns; i++)
            to[i] = integer_scale(scaling, zero, channel + i, sums[i]);
}

static void sums_to_floats(const struct integer_packed *packed, int channel, const int32_t *sums,
                           int pixels, int columns, float *to, size_t pitch) {
    const float *factors = packed->step->floats + channel;
    const float *biases = factors + packed->width * packed->step->groups;
    if (packed->kernel->floats) {
        packed->kernel->floats(factors, biases, sums, pixels, columns, to, pitch);
        return;
    }
    for (int x = 0; x < pixels; x++, sums += INTEGER_TILE_COLUMNS, to += pitch)
        for (int i = 0; i < columns; i++) {
            float product = (float)sums[i] * factors[i];
            to[i] = product + biases[i];
        }
}

void integer_packed_store(const struct integer_packed *packed, const struct integer_call *call,
                          int channel, int columns, const int32_t *sums, int y, int x, int pixels) {
    const struct integer_value *value = integer_output_value(call);
    unsigned char *row = integer_row(integer_output(call), y);
    size_t pitch = (size_t)value->channels, at = (size_t)x * pitch + (size_t)channel;
    if (packed->step->scaling)
        sums_to_levels(packed, value->zero, channel, sums, pixels, columns, row + at, pitch);
    else
        sums_to_floats(packed, channel, sums, pixels, columns, (float *)(void *)row + at, pitch);
}

/* All tiles of one block of channels; where the last would be shorter, it begins earlier. */
static void run_block(struct row_work *work, int32_t *sums) {
    const struct integer_packed *packed = work->packed;
    const struct integer_kernel *kernel = packed->kernel;
    const struct integer_step *step = packed->step;
    const struct integer_plane *output = integer_output(work->call);
    int channel = work->block * kernel->columns;
    int in = integer_input_value(work->call, 0)->channels;
    struct integer_tile tile = {.rows = work->rows,
                                .row_count = step->kernel_h,
                                .run_count = packed->run_count,
                                .steps = packed->steps,
                                .run_bytes = (size_t)(step->dilation * in),
                                .pixel_bytes = (size_t)(step->stride * in),
                                .columns = block_columns(packed, work->block),
                                .weights = block_weights(packed, work->group, work->block),
                                .offsets = packed->offsets + work->group * packed->pitch + channel,
                                .sums = sums};
    int columns = integer_least(packed->width - channel, kernel->columns);
    tile.pixels = kernel->pixels(tile.columns);
    if (tile.pixels > output->width) tile.pixels = 1;
    work->span = window_span(packed, in, tile.pixels);
    for (int x = 0; x < output->width; x += tile.pixels) {
        if (x + tile.pixels > output->width) x = output->width - tile.pixels;
        find_rows(work, work->first + x);
        kernel->sums(&tile);
        integer_packed_store(packed, work->call, work->group * packed->width + channel, columns,
                             sums, work->y, x, tile.pixels);
    }
}

/* One row, by direct sums. */
static void run_row(const struct integer_packed *packed, const struct integer_call *call, int y,
                    int first) {
    unsigned char *scratch = call->scratch;
    int32_t *sums = (int32_t *)(void *)scratch;
    struct row_work work = {.packed = packed, .call = call, .y = y, .first = first};
    const struct integer_step *step = packed->step;
    const struct integer_plane *input = integer_input(call, 0);
    int channels = integer_input_value(call, 0)->channels;
    size_t most = window_span(packed, channels, INTEGER_TILE_PIXELS);
    scratch += integer_align(INTEGER_TILE_PIXELS * INTEGER_TILE_COLUMNS * sizeof *sums);
    work.lines = (const unsigned char **)(void *)scratch;
    work.rows = work.lines + step->kernel_h;
    scratch += integer_align(2 * (size_t)step->kernel_h * sizeof *work.rows);
    work.border = scratch;
    work.copies = scratch + integer_align(most);
    bool meets_border = false;
    for (int k = 0; k < step->kernel_h; k++) {
        int row = y * step->stride - step->pad_h + k * step->dilation;
        bool is_row = row >= 0 && row < input->height;
        work.lines[k] = is_row ? integer_row(input, row) : NULL;
        meets_border |= !is_row;
    }
    if (meets_border) memset(work.border, integer_input_value(call, 0)->zero, most);
    for (work.group = 0; work.group < step->groups; work.group++)
        for (work.block = 0; work.block < packed->blocks; work.block++)
            run_block(&work, sums);
}

void integer_packed_rows(const struct integer_packed *packed, const struct integer_call *call,
                         int y, int count, int first) {
    if (packed->words) {
        integer_winograd_rows(packed, call, y, count, first);
        return;
    }
    for (int i = 0; i < count; i++)
        run_row(packed, call, y + i, first);
}
