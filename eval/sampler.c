#include "eval/sampler.h"

#include "core/memory.h"
#include "core/random.h"

static uint64_t area(const struct image *image) {
    return (uint64_t)image->width * (uint64_t)image->height;
}

static void add_region(struct sampler *sampler, size_t image, int x, int y, int width, int height) {
    int patch = sampler->spec.patch;
    uint64_t before = sampler->count > 0 ? sampler->regions[sampler->count - 1].end : 0;
    uint64_t positions = (uint64_t)(width - patch + 1) * (uint64_t)(height - patch + 1);
    sampler->regions[sampler->count++] = (struct sampler_region){.image = image,
                                                                 .x = x,
                                                                 .y = y,
                                                                 .width = width,
                                                                 .height = height,
                                                                 .end = before + positions};
}

static void add_whole(struct sampler *sampler, size_t image) {
    const struct image *low = &sampler->dataset->images[image].low;
    add_region(sampler, image, 0, 0, low->width, low->height);
}

static bool split_single(struct sampler *sampler, struct error *error) {
    const struct image *low = &sampler->dataset->images[0].low;
    bool second = sampler->spec.half == SAMPLER_SECOND_HALF;
    int patch = sampler->spec.patch;
    if (low->width / 2 >= patch) {
        int left = low->width / 2;
        add_region(sampler, 0, second ? left : 0, 0, second ? low->width - left : left,
                   low->height);
    } else if (low->height / 2 >= patch) {
        int upper = low->height / 2;
        add_region(sampler, 0, 0, second ? upper : 0, low->width,
                   second ? low->height - upper : upper);
    } else {
        return error_add(error, ERROR_DATA,
                         "%s: a single image of %dx%d low-resolution pixels cannot be cut into two "
                         "halves that hold a patch of %dx%d",
                         sampler->dataset->images[0].name, low->width, low->height, patch, patch);
    }
    return true;
}

static void split_images(struct sampler *sampler) {
    const struct dataset *dataset = sampler->dataset;
    uint32_t count = (uint32_t)dataset->count;
    uint32_t *order = memory_allocate(count * sizeof *order);
    struct random random = random_at(sampler->spec.seed, RANDOM_STREAM_SPLIT, 0);
    random_permutation(&random, order, count);
    uint64_t areas[2] = {0, 0};
    for (uint32_t i = 0; i < count; i++) {
        int half = areas[1] < areas[0] ? SAMPLER_SECOND_HALF : SAMPLER_FIRST_HALF;
        areas[half] += area(&dataset->images[order[i]].low);
        if (half == (int)sampler->spec.half) add_whole(sampler, order[i]);
    }
    memory_free(order);
}

bool sampler_create(const struct dataset *dataset, const struct sampler_spec *spec,
                    struct sampler *sampler, struct error *error) {
    *sampler = (struct sampler){.dataset = dataset, .spec = *spec};
    if (spec->patch < 1)
        return error_add(error, ERROR_SPEC, "the patch size is %d; it must be at least 1",
                         spec->patch);
    if (dataset->count < 1) return error_add(error, ERROR_DATA, "there are no images to train on");
    bool good = true;
    for (size_t i = 0; i < dataset->count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        if (image->low.width < spec->patch || image->low.height < spec->patch)
            good = error_add(error, ERROR_DATA,
                             "%s: the image has %dx%d pixels; patches need at least %dx%d",
                             image->name, image->high.width, image->high.height,
                             spec->patch * dataset->scale, spec->patch * dataset->scale);
    }
    if (!good) return false;
    for (int value = 0; value < 256; value++)
        sampler->values[value] = (float)value * spec->range / 255.0f;
    sampler->regions = memory_allocate(dataset->count * sizeof *sampler->regions);
    if (spec->half == SAMPLER_ALL) {
        for (size_t i = 0; i < dataset->count; i++)
            add_whole(sampler, i);
        return true;
    }
    if (dataset->count == 1) return split_single(sampler, error);
    split_images(sampler);
    return true;
}

void sampler_free(struct sampler *sampler) {
    memory_free(sampler->regions);
    *sampler = (struct sampler){0};
}

/* Copies the square at (x, y), turned by one of the 8 symmetries: bit 0 mirrors left-right, bit 1
 * upside down, bit 2 swaps rows and columns. */
static void copy_square(const struct sampler *sampler, const struct image *image, int x, int y,
                        int side, uint32_t symmetry, float *out, int pitch) {
    ptrdiff_t channels = image->channels;
    ptrdiff_t across = channels;
    ptrdiff_t down = channels * image->width;
    const unsigned char *corner = image->pixels + y * down + x * across;
    if (symmetry & 1) {
        corner += (side - 1) * across;
        across = -across;
    }
    if (symmetry & 2) {
        corner += (side - 1) * down;
        down = -down;
    }
    if (symmetry & 4) {
        ptrdiff_t swapped = across;
        across = down;
        down = swapped;
    }
    ptrdiff_t green = channels == 3 ? 1 : 0;
    ptrdiff_t blue = 2 * green;
    for (int row = 0; row < side; row++)
        for (int column = 0; column < side; column++, out += pitch) {
            const unsigned char *pixel = corner + row * down + column * across;
            out[0] = sampler->values[pixel[0]];
            out[1] = sampler->values[pixel[green]];
            out[2] = sampler->values[pixel[blue]];
            for (int channel = 3; channel < pitch; channel++)
                out[channel] = 0;
        }
}

static const struct sampler_region *find_region(const struct sampler *sampler, uint64_t position) {
    size_t low = 0;
    size_t high = sampler->count - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (position < sampler->regions[middle].end)
            high = middle;
        else
            low = middle + 1;
    }
    return &sampler->regions[low];
}

/* Random values that one element of a batch uses at most. */
enum { ELEMENT_DRAWS = 4 };

static void sample(const struct sampler *sampler, uint64_t step, int element, float *low,
                   int low_pitch, float *high, int high_pitch) {
    const struct sampler_spec *spec = &sampler->spec;
    int scale = sampler->dataset->scale;
    /* The half is part of the key: the two halves draw independently at the same step. */
    struct random random =
        random_at(spec->seed, RANDOM_STREAM_SAMPLER, step * 4 + (uint64_t)spec->half);
    random.element = (uint64_t)element * ELEMENT_DRAWS;
    uint64_t upper = random_next(&random);
    uint64_t draw = upper << 32 | random_next(&random);
    uint32_t symmetry = spec->augment ? random_next(&random) & 7 : 0;

    uint64_t position = draw % sampler->regions[sampler->count - 1].end;
    const struct sampler_region *region = find_region(sampler, position);
    position -= region == sampler->regions ? 0 : region[-1].end;
    uint64_t across = (uint64_t)(region->width - spec->patch + 1);
    int x = region->x + (int)(position % across);
    int y = region->y + (int)(position / across);
    const struct dataset_image *image = &sampler->dataset->images[region->image];
    copy_square(sampler, &image->low, x, y, spec->patch, symmetry, low, low_pitch);
    copy_square(sampler, &image->high, x * scale, y * scale, spec->patch * scale, symmetry, high,
                high_pitch);
}

void sampler_batch(const struct sampler *sampler, uint64_t step, int batch, float *low,
                   int low_pitch, float *high, int high_pitch) {
    size_t low_side = (size_t)sampler->spec.patch;
    size_t high_side = low_side * (size_t)sampler->dataset->scale;
    size_t low_floats = low_side * low_side * (size_t)low_pitch;
    size_t high_floats = high_side * high_side * (size_t)high_pitch;
#pragma omp parallel for schedule(static)
    for (int element = 0; element < batch; element++)
        sample(sampler, step, element, low + (size_t)element * low_floats, low_pitch,
               high + (size_t)element * high_floats, high_pitch);
}
