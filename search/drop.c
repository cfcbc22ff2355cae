#include "search/drop.h"
#include "core/memory.h"
#include "search/rating.h"

int drop_side(const struct spec *spec) {
    int patch = spec->search.weights.patch;
    return patch > DROP_LEAST_SIDE ? patch : DROP_LEAST_SIDE;
}

static struct image middle(const struct image *image, int side, int unit) {
    int width = image->width / unit < side ? image->width / unit : side;
    int height = image->height / unit < side ? image->height / unit : side;
    int x = (image->width / unit - width) / 2, y = (image->height / unit - height) / 2;
    return image_crop(image, x * unit, y * unit, width * unit, height * unit);
}

/* Whole images would take more memory than the search itself: in a mixture all candidates are there
 * at once. */
static struct dataset middles(const struct dataset *dataset, int side) {
    struct dataset crops = {.scale = dataset->scale, .count = dataset->count};
    crops.images = memory_allocate(dataset->count * sizeof *crops.images);
    for (size_t i = 0; i < dataset->count; i++)
        crops.images[i] =
            (struct dataset_image){.high = middle(&dataset->images[i].high, side, dataset->scale),
                                   .low = middle(&dataset->images[i].low, side, 1)};
    return crops;
}

bool drop_measure(const struct search *search, const struct architecture *architecture,
                  const struct parameters *supernet, struct drop *drop, struct error *error) {
    const struct spec *spec = search->spec;
    struct sampler_spec sampling = {.patch = spec->search.weights.patch,
                                    .half = SAMPLER_ALL,
                                    .seed = (uint64_t)spec->seed,
                                    .range = (float)space_range(search->space)};
    struct sampler sampler = {0};
    struct dataset crops = middles(search->valid, drop_side(spec));
    /* As many patches as other ratings take, one at a time. */
    struct rating rating = {.space = search->space,
                            .valid = &crops,
                            .sampler = &sampler,
                            .mixture = strategy_find(spec->search.strategy)->mixture,
                            .batch = 1,
                            .batches = spec->calibration_batches * spec->search.weights.batch};
    struct evaluator_scores mixed, alone;
    bool ok = sampler_create(search->train, &sampling, &sampler, error) &&
              rating_with_supernet(&rating, NULL, supernet, &mixed, error) &&
              rating_with_supernet(&rating, architecture, supernet, &alone, error);
    if (ok) *drop = (struct drop){mixed.psnr_y, alone.psnr_y};
    sampler_free(&sampler);
    dataset_free(&crops);
    return ok;
}
