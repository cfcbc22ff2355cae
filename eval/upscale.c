#include "eval/upscale.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "eval/reach.h"
#include "ops/plan.h"
#include <math.h>
#include <string.h>

/* How an image is cut. */
struct tiling {
    int tile, overlap;
    bool is_exact;
};

/* Plans a picture of at most this side to know what a pixel takes. */
enum { SAMPLE_SIDE = 128, LEAST_TILE = 16 };

static bool measure(const struct evaluator *evaluator, const struct image *low, double *reach,
                    double *pixel_bytes, struct error *error) {
    int height = low->height < SAMPLE_SIDE ? low->height : SAMPLE_SIDE;
    int width = low->width < SAMPLE_SIDE ? low->width : SAMPLE_SIDE;
    struct network_options options = {.batch = 1,
                                      .height = height,
                                      .width = width,
                                      .precision = evaluator->precision,
                                      .architecture = evaluator->architecture};
    struct error inner = {0};
    struct network *network =
        network_build(evaluator->space, evaluator->parameters, &options, &inner);
    if (!network && inner.code == ERROR_SPEC)
        return error_add(error, ERROR_DATA, "%dx%d pixels are too few for this network: %s",
                         low->width, low->height, inner.text);
    if (!network) return error_add(error, inner.code, "%s", inner.text);
    *reach = network_reach(network);
    graph_mark_output(network->graph, network->output);
    struct plan *plan = plan_create(network->graph, (struct plan_options){.want = 0}, error);
    if (plan) {
        *pixel_bytes = (double)plan_bytes(plan) / ((double)height * width);
        plan_free(plan);
    }
    network_free(network);
    return plan != NULL;
}

static bool choose_tiling(const struct evaluator *evaluator, const struct image *low,
                          const struct upscale_options *options, struct tiling *tiling,
                          struct error *error) {
    double reach, pixel_bytes;
    if (!measure(evaluator, low, &reach, &pixel_bytes, error)) return false;
    int longest = low->width > low->height ? low->width : low->height;
    tiling->overlap = isfinite(reach) ? (int)ceil(reach) : UPSCALE_OVERLAP;
    tiling->tile = options->tile;
    if (!tiling->tile && (double)low->width * low->height * pixel_bytes <= options->memory)
        tiling->tile = longest;
    if (!tiling->tile) {
        double side = sqrt(options->memory / pixel_bytes) - 2 * tiling->overlap;
        tiling->tile = side > LEAST_TILE ? (int)side : LEAST_TILE;
    }
    /* A tile with what it overlaps can be the whole picture. */
    if (tiling->tile + 2 * tiling->overlap >= longest) tiling->tile = longest;
    tiling->is_exact = isfinite(reach) || tiling->tile >= longest;
    return true;
}

/* Where the input of a tile begins that covers `size` pixels from `begin`, and how long it is: all
 * tiles read equal sizes, so that one plan serves them. */
static int input_length(int whole, const struct tiling *tiling) {
    int length = tiling->tile + 2 * tiling->overlap;
    return length < whole && tiling->tile < whole ? length : whole;
}
static int input_begin(int begin, int length, int whole, const struct tiling *tiling) {
    int first = begin - tiling->overlap;
    if (first > whole - length) first = whole - length;
    return first > 0 ? first : 0;
}

static void paste(const struct image *tile, int from_x, int from_y, struct image *high, int x,
                  int y, int width, int height) {
    for (int row = 0; row < height; row++)
        memcpy(high->pixels + ((size_t)(y + row) * (size_t)high->width + (size_t)x) * 3,
               tile->pixels + ((size_t)(from_y + row) * (size_t)tile->width + (size_t)from_x) * 3,
               (size_t)width * 3);
}

static bool upscale_tile(struct evaluator *evaluator, const struct image *low, int x, int y,
                         const struct tiling *tiling, int scale, struct image *high,
                         struct error *error) {
    int width = input_length(low->width, tiling), height = input_length(low->height, tiling);
    int left = input_begin(x, width, low->width, tiling);
    int top = input_begin(y, height, low->height, tiling);
    struct image part = image_crop(low, left, top, width, height);
    struct image tile = evaluator_upscale(evaluator, &part, error);
    image_free(&part);
    if (!tile.pixels) return false;
    int columns = low->width - x < tiling->tile ? low->width - x : tiling->tile;
    int rows = low->height - y < tiling->tile ? low->height - y : tiling->tile;
    paste(&tile, (x - left) * scale, (y - top) * scale, high, x * scale, y * scale, columns * scale,
          rows * scale);
    image_free(&tile);
    return true;
}

bool upscale_image(struct evaluator *evaluator, const struct image *low,
                   const struct upscale_options *options, struct image *high, bool *is_exact,
                   struct error *error) {
    struct tiling tiling;
    int scale = space_effective_settings(evaluator->space)->scale;
    double pixels = (double)low->width * low->height * scale * scale;
    if (pixels > IMAGE_MAX_PIXELS || low->width > IMAGE_MAX_SIDE / scale ||
        low->height > IMAGE_MAX_SIDE / scale)
        return error_add(error, ERROR_DATA,
                         "%dx%d pixels become more than a picture may have at %d times the size "
                         "(%d on a side and %d in all); cut it into pieces first",
                         low->width, low->height, scale, IMAGE_MAX_SIDE, IMAGE_MAX_PIXELS);
    if (!choose_tiling(evaluator, low, options, &tiling, error)) return false;
    *is_exact = tiling.is_exact;
    *high = image_create(low->width * scale, low->height * scale, 3);
    int columns = (low->width + tiling.tile - 1) / tiling.tile;
    int rows = (low->height + tiling.tile - 1) / tiling.tile;
    bool ok = true, shows = rows * columns > 1;
    if (shows) progress_begin("upscale", (long)rows * columns);
    for (int i = 0; ok && i < rows * columns; i++) {
        ok = upscale_tile(evaluator, low, i % columns * tiling.tile, i / columns * tiling.tile,
                          &tiling, scale, high, error);
        if (ok && interrupt_requested())
            ok = error_add(error, ERROR_INTERRUPTED, "interrupted; nothing was written");
        if (shows) progress_update(i + 1, "tile %d of %d", i + 1, rows * columns);
    }
    if (shows) progress_end();
    if (!ok) image_free(high);
    return ok;
}
