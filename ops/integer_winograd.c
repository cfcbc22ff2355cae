#include "ops/integer_winograd.h"
#include "core/memory.h"
#include "ops/integer_convolution.h"
#include "ops/integer_kernel_private.h"

/* A tile's transforms are paid by this many channels on either side (measured). */
enum { LEAST_CHANNELS = 24 };

enum { OUT = INTEGER_WINOGRAD_OUT, IN = INTEGER_WINOGRAD_IN, TAPS = 9 };

/* --- Packing -------------------------------------------------------------------------------------
 */

/* Whether no sum of an output channel reaches 2^25, whatever the bytes are. */
static bool is_exact(const signed char *levels, int count) {
    int64_t above = 0, below = 0;
    for (int i = 0; i < count; i++)
        *(levels[i] > 0 ? &above : &below) += 255 * (int64_t)levels[i];
    return above < 1 << 25 && -below < 1 << 25;
}

/* 24 G, but for the last row, which would not fit into words: 8 G. */
static const int transform[IN][3] = {{6, 0, 0}, {-4, -4, -4}, {-4, 4, -4},
                                     {1, 2, 4}, {1, -2, 4},   {0, 0, 8}};

static int16_t transformed(const signed char *levels, int depth, int i, int position) {
    int sum = 0;
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 3; x++)
            sum += transform[position / IN][y] * transform[position % IN][x] *
                   levels[(y * 3 + x) * depth + i];
    return (int16_t)sum;
}

static int pairs_of(const struct integer_packed *packed) {
    return integer_round_up(packed->depth, 2) / 2;
}

/* Columns are multiplied a tile's width at a time. */
static int panels_of(const struct integer_packed *packed) {
    return (packed->pitch + INTEGER_TILE_COLUMNS - 1) / INTEGER_TILE_COLUMNS;
}
static int panel_columns(const struct integer_packed *packed, int panel) {
    return integer_least(packed->pitch - panel * INTEGER_TILE_COLUMNS, INTEGER_TILE_COLUMNS);
}

/* Where the words of a panel begin for a position: [pair][column][2]. */
static int16_t *panel_words(const struct integer_packed *packed, int panel, int position) {
    size_t before = (size_t)(panel * INTEGER_TILE_COLUMNS) * INTEGER_WINOGRAD_POSITIONS;
    size_t columns = (size_t)panel_columns(packed, panel);
    return packed->words + (before + (size_t)position * columns) * (size_t)pairs_of(packed) * 2;
}

static void pack_channel(const struct integer_packed *packed, const signed char *levels, int o) {
    int panel = o / INTEGER_TILE_COLUMNS, column = o % INTEGER_TILE_COLUMNS;
    int columns = panel_columns(packed, panel);
    for (int position = 0; position < INTEGER_WINOGRAD_POSITIONS; position++) {
        int16_t *to = panel_words(packed, panel, position);
        for (int i = 0; i < packed->depth; i++)
            to[(i / 2 * columns + column) * 2 + i % 2] =
                transformed(levels, packed->depth, i, position);
    }
}

void integer_winograd_pack(struct integer_packed *packed) {
    const struct integer_step *step = packed->step;
    if (!packed->kernel->word_sums || step->kernel_h != 3 || step->kernel_w != 3 ||
        step->stride != 1 || step->dilation != 1 || step->groups != 1 || step->pad_h != 1 ||
        step->pad_w != 1 || packed->depth < LEAST_CHANNELS || packed->width < LEAST_CHANNELS)
        return;
    int count = packed->depth * TAPS;
    signed char *levels = memory_allocate((size_t)(count * packed->width));
    bool ok = true;
    for (int o = 0; o < packed->width; o++) {
        size_t first = (size_t)o * (size_t)count;
        integer_unpack(step->weights, step->weight_bits, first, (size_t)count, levels + first);
        ok = ok && is_exact(levels + first, count);
    }
    if (ok) {
        size_t bytes = (size_t)(pairs_of(packed) * packed->pitch) * INTEGER_WINOGRAD_POSITIONS * 2 *
                       sizeof *packed->words;
        packed->words = memory_allocate_aligned(bytes);
        memset(packed->words, 0, bytes);
        for (int o = 0; o < packed->width; o++)
            pack_channel(packed, levels + (size_t)o * (size_t)count, o);
    }
    memory_free(levels);
}

/* --- Rows ----------------------------------------------------------------------------------------
 */

/* Some tiles side by side while they are made. */
struct tiles_work {
    const struct integer_packed *packed;
    const struct integer_call *call;
    int y, count; /* rows that are asked for */
    int tiles;
    size_t span, line_pitch, tile_pitch; /* levels of a row of all tiles; words */
    unsigned char *border, *copies;
    int16_t *lines, *inputs; /* [row][pixel][channel]; [position][tile][channel] */
    int32_t *products, *sums;
};

/* The parts of the scratch; its bytes. */
static size_t lay_out(struct tiles_work *work, const struct integer_packed *packed,
                      unsigned char *scratch) {
    enum { TILES = INTEGER_WINOGRAD_TILES, COLUMNS = INTEGER_TILE_COLUMNS };
    size_t depth = (size_t)packed->depth, begin = 0;
    work->line_pitch = integer_align((TILES * OUT + 2) * depth + INTEGER_UNIT);
    work->tile_pitch = integer_align(depth * sizeof(int16_t)) / sizeof(int16_t);
    work->border = scratch;
    begin += work->line_pitch;
    work->copies = scratch + begin;
    begin += IN * work->line_pitch;
    work->lines = (int16_t *)(void *)(scratch + begin);
    begin += (IN * work->line_pitch + INTEGER_UNIT) * sizeof *work->lines;
    work->inputs = (int16_t *)(void *)(scratch + begin);
    begin += INTEGER_WINOGRAD_POSITIONS * TILES * work->tile_pitch * sizeof *work->inputs;
    work->products = (int32_t *)(void *)(scratch + begin);
    begin += INTEGER_WINOGRAD_POSITIONS * TILES * COLUMNS * sizeof *work->products;
    work->sums = (int32_t *)(void *)(scratch + begin);
    return begin + OUT * TILES * OUT * COLUMNS * sizeof *work->sums;
}

size_t integer_winograd_scratch(const struct integer_packed *packed) {
    struct tiles_work work;
    static unsigned char nowhere[1];
    return lay_out(&work, packed, nowhere);
}

/* The levels that the tiles read, from pixel x - 1 of row y - 1 on. */
static void transform_inputs(const struct tiles_work *work, int x) {
    const struct integer_packed *packed = work->packed;
    const struct integer_plane *input = integer_input(work->call, 0);
    int depth = packed->depth, zero = integer_input_value(work->call, 0)->zero;
    ptrdiff_t row_bytes = (ptrdiff_t)input->width * depth, begin = ((ptrdiff_t)x - 1) * depth;
    size_t read = integer_align(work->span);
    bool is_within = begin >= 0 && begin + (ptrdiff_t)read <= row_bytes;
    const unsigned char *rows[IN];
    for (int k = 0; k < IN; k++) {
        int row = work->y - 1 + k;
        /* Rows below those that the rows asked for need may not be there yet. */
        bool is_row = row >= 0 && row < input->height && k < work->count + 2;
        const unsigned char *line = is_row ? integer_row(input, row) : NULL;
        rows[k] = line && is_within ? line + begin : work->border;
        if (!line || is_within) continue;
        unsigned char *copy = work->copies + (size_t)k * work->line_pitch;
        integer_copy_window(copy, line, begin, (ptrdiff_t)read, row_bytes, zero);
        rows[k] = copy;
    }
    packed->kernel->transform_rows(rows, work->span, work->lines, work->line_pitch);
    size_t position_pitch = (size_t)work->tiles * work->tile_pitch;
    for (int k = 0; k < IN; k++)
        packed->kernel->transform_columns(
            work->lines + (size_t)k * work->line_pitch, depth, work->tiles,
            work->inputs + (size_t)(k * IN) * position_pitch, work->tile_pitch, position_pitch);
}

static int tiles_at_once(int most, int left) {
    return left >= most ? most : left >= 4 ? 4 : left >= 2 ? 2 : 1;
}

/* The products of all positions for a panel. */
static void multiply(const struct tiles_work *work, int panel) {
    static const int32_t nothing[INTEGER_TILE_COLUMNS];
    const struct integer_packed *packed = work->packed;
    int columns = panel_columns(packed, panel);
    for (int position = 0; position < INTEGER_WINOGRAD_POSITIONS; position++) {
        struct integer_tile tile = {.row_count = 1,
                                    .run_count = 1,
                                    .steps = pairs_of(packed),
                                    .pixel_bytes = work->tile_pitch * sizeof *work->inputs,
                                    .columns = columns,
                                    .weights = panel_words(packed, panel, position),
                                    .offsets = nothing};
        for (int t = 0; t < work->tiles; t += tile.pixels) {
            size_t from_at = (size_t)(position * work->tiles + t) * work->tile_pitch;
            int to_at = t * INTEGER_WINOGRAD_POSITIONS + position;
            const unsigned char *from = (const unsigned char *)(work->inputs + from_at);
            tile.rows = &from;
            tile.pixels = tiles_at_once(packed->kernel->pixels(columns), work->tiles - t);
            tile.sums = work->products + to_at * INTEGER_TILE_COLUMNS;
            packed->kernel->word_sums(&tile);
        }
    }
}

/* The products of a panel to floats of the output. */
static void store_floats(const struct tiles_work *work, int channel, int columns, int x,
                         int pixels) {
    const struct integer_packed *packed = work->packed;
    const float *factors = packed->step->floats + channel;
    struct integer_winograd_floats to = {.factors = factors,
                                         .biases = factors + packed->width,
                                         .columns = integer_least(columns, packed->width - channel),
                                         .pixels = pixels,
                                         .row_count = work->count,
                                         .pitch = (size_t)packed->width};
    for (int r = 0; r < work->count; r++)
        to.rows[r] =
            integer_output_floats(work->call, work->y + r) + (size_t)x * to.pitch + (size_t)channel;
    packed->kernel->transform_to_floats(work->products, work->tiles, packed->offsets + channel,
                                        &to);
}

/* The same to levels. */
static void store_levels(const struct tiles_work *work, int channel, int columns, int x,
                         int pixels) {
    const struct integer_packed *packed = work->packed;
    size_t row_pitch = (size_t)(work->tiles * OUT) * INTEGER_TILE_COLUMNS;
    packed->kernel->transform_to_sums(work->products, work->tiles, columns,
                                      packed->offsets + channel, work->sums, row_pitch);
    for (int r = 0; r < work->count; r++)
        integer_packed_store(packed, work->call, channel,
                             integer_least(columns, packed->width - channel),
                             work->sums + (size_t)r * row_pitch, work->y + r, x, pixels);
}

static void run_tiles(struct tiles_work *work, int x, int first) {
    const struct integer_packed *packed = work->packed;
    transform_inputs(work, first + x);
    int pixels = integer_least(work->tiles * OUT, integer_output(work->call)->width - x);
    for (int panel = 0; panel < panels_of(packed); panel++) {
        int channel = panel * INTEGER_TILE_COLUMNS, columns = panel_columns(packed, panel);
        multiply(work, panel);
        if (packed->step->scaling)
            store_levels(work, channel, columns, x, pixels);
        else
            store_floats(work, channel, columns, x, pixels);
    }
}

void integer_winograd_rows(const struct integer_packed *packed, const struct integer_call *call,
                           int y, int count, int first) {
    struct tiles_work work = {.packed = packed, .call = call, .y = y, .count = count};
    lay_out(&work, packed, call->scratch);
    memset(work.border, integer_input_value(call, 0)->zero, work.line_pitch);
    int width = integer_output(call)->width;
    for (int x = 0; x < width; x += work.tiles * OUT) {
        work.tiles = integer_least(integer_round_up(width - x, OUT) / OUT, INTEGER_WINOGRAD_TILES);
        work.span = (size_t)(work.tiles * OUT + 2) * (size_t)packed->depth;
        run_tiles(&work, x, first);
    }
}
