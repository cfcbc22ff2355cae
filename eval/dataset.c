#include "eval/dataset.h"

#include "core/file.h"
#include "core/memory.h"
#include "eval/leaves.h"
#include "eval/resample.h"
#include <stdio.h>
#include <string.h>

static char *copy_text(const char *text) {
    size_t bytes = strlen(text) + 1;
    return memcpy(memory_allocate(bytes), text, bytes);
}

/* The path without its extension. */
static char *picture_name(const char *path) {
    char *name = copy_text(path);
    size_t extension = strlen(path_extension(path));
    if (extension > 0) name[strlen(name) - extension - 1] = '\0';
    return name;
}

/* Takes over `picture`. */
static void make_versions(struct dataset_image *image, struct image *picture, int scale) {
    image->high = image_crop_to_multiple(picture, scale);
    image->low = image_downscale(&image->high, scale);
    image_free(picture);
}

static bool load(const char *path, const struct dataset_spec *spec, struct dataset_image *image,
                 struct error *error) {
    struct image picture;
    if (!image_read(path, &picture, error)) return false;
    int width = picture.width;
    int height = picture.height;
    int minimum = spec->minimum > spec->scale ? spec->minimum : spec->scale;
    if (width - width % spec->scale < minimum || height - height % spec->scale < minimum) {
        image_free(&picture);
        if (spec->skip_small) return true;
        return error_add(error, ERROR_DATA,
                         "%s: the image has %dx%d pixels; at scale %d at least %dx%d are needed",
                         path, width, height, spec->scale, minimum, minimum);
    }
    make_versions(image, &picture, spec->scale);
    return true;
}

/* The paths of all pictures and the names they get, in sorted order. */
struct listing {
    char **paths;
    char **names;
    size_t count;
};

static void listing_add(struct listing *listing, size_t *capacity, char *path, const char *name) {
    size_t names_capacity = *capacity;
    memory_grow(listing->names, listing->count, names_capacity);
    memory_grow(listing->paths, listing->count, *capacity);
    listing->paths[listing->count] = path;
    listing->names[listing->count] = picture_name(name);
    listing->count++;
}

static void listing_free(struct listing *listing) {
    for (size_t i = 0; i < listing->count; i++) {
        memory_free(listing->paths[i]);
        memory_free(listing->names[i]);
    }
    memory_free(listing->paths);
    memory_free(listing->names);
}

static bool list_pictures(const struct dataset_spec *spec, struct listing *listing,
                          struct error *error) {
    size_t capacity = 0;
    if (file_exists(spec->path)) {
        const char *slash = strrchr(spec->path, '/');
        listing_add(listing, &capacity, copy_text(spec->path), slash ? slash + 1 : spec->path);
        return true;
    }
    if (!folder_exists(spec->path))
        return error_add(error, ERROR_DATA, "%s: there is no such folder or picture", spec->path);
    char **files;
    size_t files_count;
    struct error listing_error = {0};
    if (!folder_list(spec->path, true, &files, &files_count, &listing_error))
        return error_add(error, ERROR_DATA, "%s", listing_error.text);
    for (size_t i = 0; i < files_count; i++) {
        if (spec->limit > 0 && listing->count == (size_t)spec->limit) break;
        char *path = path_join(spec->path, files[i]);
        if (image_is_picture(path))
            listing_add(listing, &capacity, path, files[i]);
        else
            memory_free(path);
    }
    file_list_free(files, files_count);
    if (listing->count == 0)
        return error_add(error, ERROR_DATA, "%s: the folder holds no PNG or JPEG file", spec->path);
    return true;
}

/* Closes the gaps that images below the minimum have left. */
static bool drop_empty(const struct dataset_spec *spec, struct dataset *dataset,
                       struct error *error) {
    size_t kept = 0;
    for (size_t i = 0; i < dataset->count; i++) {
        if (dataset->images[i].high.pixels)
            dataset->images[kept++] = dataset->images[i];
        else
            memory_free(dataset->images[i].name);
    }
    dataset->skipped = dataset->count - kept;
    dataset->count = kept;
    return kept > 0 ||
           error_add(error, ERROR_DATA, "%s: no picture has the %dx%d pixels that are needed",
                     spec->path, spec->minimum, spec->minimum);
}

static bool load_folder(const struct dataset_spec *spec, struct dataset *dataset,
                        struct error *error) {
    struct listing listing = {0};
    bool good = list_pictures(spec, &listing, error);
    if (good) {
        dataset->count = listing.count;
        dataset->images = memory_allocate(listing.count * sizeof *dataset->images);
        struct failure {
            enum error_code code;
            char *text;
        } *failures = memory_allocate(listing.count * sizeof *failures);
#pragma omp parallel for schedule(dynamic)
        for (size_t i = 0; i < listing.count; i++) {
            struct error own = {0};
            dataset->images[i].name = copy_text(listing.names[i]);
            if (!load(listing.paths[i], spec, &dataset->images[i], &own)) {
                failures[i].code = own.code;
                failures[i].text = copy_text(own.text);
            }
        }
        for (size_t i = 0; i < listing.count; i++) {
            if (!failures[i].text) continue;
            good = error_add(error, failures[i].code, "%s", failures[i].text);
            memory_free(failures[i].text);
        }
        memory_free(failures);
        if (good) good = drop_empty(spec, dataset, error);
    }
    listing_free(&listing);
    return good;
}

static bool generate(const struct dataset_spec *spec, struct dataset *dataset,
                     struct error *error) {
    int least = spec->minimum > LEAVES_MIN_SIDE ? spec->minimum : LEAVES_MIN_SIDE;
    if (spec->count < 1)
        return error_add(error, ERROR_SPEC, "the number of dead-leaves images must be at least 1");
    if (spec->size > LEAVES_MAX_SIDE || spec->size - spec->size % spec->scale < least)
        return error_add(
            error, ERROR_SPEC,
            "dead-leaves images of %dx%d pixels do not fit: at scale %d the size must be "
            "from %d to %d",
            spec->size, spec->size, spec->scale, least, LEAVES_MAX_SIDE);
    dataset->count = (size_t)spec->count;
    dataset->images = memory_allocate(dataset->count * sizeof *dataset->images);
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < spec->count; i++) {
        struct dataset_image *image = &dataset->images[i];
        char name[32];
        snprintf(name, sizeof name, "leaves-%04d", i);
        image->name = copy_text(name);
        struct image picture = leaves_image(spec->seed, (uint64_t)i, spec->size, spec->size);
        make_versions(image, &picture, spec->scale);
    }
    return true;
}

bool dataset_open(const struct dataset_spec *spec, struct dataset *dataset, struct error *error) {
    *dataset = (struct dataset){.scale = spec->scale};
    if (spec->scale < 1 || spec->scale > RESAMPLE_MAX_SCALE)
        return error_add(error, ERROR_SPEC, "the scale is %d; it must be from 1 to %d", spec->scale,
                         RESAMPLE_MAX_SCALE);
    bool good = spec->path ? load_folder(spec, dataset, error) : generate(spec, dataset, error);
    if (!good) dataset_free(dataset);
    return good;
}

void dataset_free(struct dataset *dataset) {
    for (size_t i = 0; i < dataset->count; i++) {
        memory_free(dataset->images[i].name);
        image_free(&dataset->images[i].high);
        image_free(&dataset->images[i].low);
    }
    memory_free(dataset->images);
    *dataset = (struct dataset){0};
}

size_t dataset_bytes(const struct dataset *dataset) {
    size_t bytes = 0;
    for (size_t i = 0; i < dataset->count; i++)
        bytes += image_bytes(&dataset->images[i].high) + image_bytes(&dataset->images[i].low);
    return bytes;
}
