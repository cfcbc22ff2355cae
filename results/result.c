#include "results/result.h"

#include "core/json.h"
#include <math.h>
#include <string.h>

static const char *const kind_names[] = {
    [RESULT_BICUBIC] = "bicubic",
    [RESULT_SEARCHED] = "searched",
    [RESULT_QUANTIZED] = "quantized",
    [RESULT_FIXED] = "fixed",
};
enum { KIND_COUNT = sizeof kind_names / sizeof *kind_names };

static const struct result_scores no_scores = {NAN, NAN, NAN, NAN};

struct result *result_add(struct result_list *list, enum result_kind kind, const char *name) {
    memory_grow(list->items, list->count, list->capacity);
    struct result *result = &list->items[list->count++];
    *result = (struct result){
        .kind = kind,
        .name = name ? arena_copy(&list->arena, name) : NULL,
        .scores = no_scores,
        .bitops = NAN,
        .macs = NAN,
        .parameters = NAN,
        .bytes = NAN,
    };
    return result;
}

void result_set_images(struct result_list *list, struct result *result, size_t count) {
    result->images = arena_allocate(&list->arena, count * sizeof *result->images);
    result->image_count = count;
    for (size_t i = 0; i < count; i++)
        result->images[i].scores = no_scores;
}

void result_average_images(struct result *result) {
    if (result->image_count == 0) {
        result->scores = no_scores;
        return;
    }
    struct result_scores sum = {0, 0, 0, 0};
    for (size_t i = 0; i < result->image_count; i++) {
        const struct result_scores *scores = &result->images[i].scores;
        sum.psnr_y += scores->psnr_y;
        sum.ssim_y += scores->ssim_y;
        sum.psnr_rgb += scores->psnr_rgb;
        sum.ssim_rgb += scores->ssim_rgb;
    }
    double count = (double)result->image_count;
    result->scores = (struct result_scores){sum.psnr_y / count, sum.ssim_y / count,
                                            sum.psnr_rgb / count, sum.ssim_rgb / count};
}

void result_list_free(struct result_list *list) {
    arena_free(&list->arena);
    memory_free(list->items);
    *list = (struct result_list){0};
}

const char *result_kind_name(enum result_kind kind) {
    return kind_names[kind];
}

static void put_text(json_t *object, const char *key, const char *text) {
    if (!text) return;
    json_t *value = json_string(text);
    /* A text that is not UTF-8 (a file name, say) is still a fact: keep what can be kept. */
    json_object_set_new(object, key, value ? value : json_string("(not UTF-8)"));
}

static void put_number(json_t *object, const char *key, double number) {
    if (isnan(number)) return;
    if (number == floor(number) && fabs(number) <= 9007199254740992.0) {
        json_object_set_new(object, key, json_integer((json_int_t)number));
    } else {
        json_object_set_new(object, key, json_number(number));
    }
}

/* Scores stay reals, so that "30" and "30.5" have one type for whoever reads them. */
static void put_scores(json_t *object, const struct result_scores *scores) {
    if (!isnan(scores->psnr_y)) json_object_set_new(object, "psnr_y", json_number(scores->psnr_y));
    if (!isnan(scores->ssim_y)) json_object_set_new(object, "ssim_y", json_number(scores->ssim_y));
    if (!isnan(scores->psnr_rgb))
        json_object_set_new(object, "psnr_rgb", json_number(scores->psnr_rgb));
    if (!isnan(scores->ssim_rgb))
        json_object_set_new(object, "ssim_rgb", json_number(scores->ssim_rgb));
}

json_t *result_to_json(const struct result *result) {
    json_t *object = json_object();
    put_text(object, "name", result->name);
    put_text(object, "kind", result_kind_name(result->kind));
    put_text(object, "bits", result->bits);
    put_scores(object, &result->scores);
    put_number(object, "bitops", result->bitops);
    put_number(object, "macs", result->macs);
    put_number(object, "parameters", result->parameters);
    put_number(object, "bytes", result->bytes);
    put_text(object, "input", result->input);
    put_text(object, "coverage", result->coverage);
    put_text(object, "protocol", result->protocol);
    put_text(object, "data", result->data);
    put_text(object, "architecture", result->architecture);
    if (result->image_count == 0) return object;
    json_t *images = json_array();
    for (size_t i = 0; i < result->image_count; i++) {
        json_t *image = json_object();
        put_text(image, "name", result->images[i].name);
        put_scores(image, &result->images[i].scores);
        json_array_append_new(images, image);
    }
    json_object_set_new(object, "images", images);
    return object;
}

json_t *result_list_to_json(const struct result_list *list) {
    json_t *array = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(array, result_to_json(&list->items[i]));
    return array;
}

/* Reading: `where` is the file, for messages. */
static bool get_text(struct arena *arena, const json_t *object, const char *key, const char *where,
                     const char **text, struct error *error) {
    const json_t *value = json_object_get(object, key);
    if (!value) return true;
    if (!json_is_string(value))
        return error_add(error, ERROR_DATA, "%s: \"%s\" of a result is not a text", where, key);
    *text = arena_copy(arena, json_string_value(value));
    return true;
}

static bool get_number(const json_t *object, const char *key, const char *where, double *number,
                       struct error *error) {
    const json_t *value = json_object_get(object, key);
    if (!value) return true;
    if (!json_is_number(value) && !json_is_null(value))
        return error_add(error, ERROR_DATA, "%s: \"%s\" of a result is not a number", where, key);
    *number = json_is_null(value) ? INFINITY : json_number_value(value);
    return true;
}

static bool get_scores(const json_t *object, const char *where, struct result_scores *scores,
                       struct error *error) {
    return get_number(object, "psnr_y", where, &scores->psnr_y, error) &&
           get_number(object, "ssim_y", where, &scores->ssim_y, error) &&
           get_number(object, "psnr_rgb", where, &scores->psnr_rgb, error) &&
           get_number(object, "ssim_rgb", where, &scores->ssim_rgb, error);
}

static bool get_kind(const json_t *object, const char *where, enum result_kind *kind,
                     struct error *error) {
    const char *name = json_string_value(json_object_get(object, "kind"));
    for (int i = 0; name && i < KIND_COUNT; i++) {
        if (strcmp(name, kind_names[i]) == 0) {
            *kind = (enum result_kind)i;
            return true;
        }
    }
    return error_add(error, ERROR_DATA,
                     "%s: a result's \"kind\" is not bicubic, searched, quantized or fixed", where);
}

static bool get_images(struct result_list *list, struct result *result, const json_t *object,
                       const char *where, struct error *error) {
    const json_t *images = json_object_get(object, "images");
    if (!images) return true;
    if (!json_is_array(images))
        return error_add(error, ERROR_DATA, "%s: \"images\" of a result is not a list", where);
    result_set_images(list, result, json_array_size(images));
    for (size_t i = 0; i < result->image_count; i++) {
        const json_t *image = json_array_get(images, i);
        if (!json_is_object(image))
            return error_add(error, ERROR_DATA, "%s: an image of a result is not a map", where);
        if (!get_text(&list->arena, image, "name", where, &result->images[i].name, error) ||
            !get_scores(image, where, &result->images[i].scores, error)) {
            return false;
        }
    }
    return true;
}

static bool get_result(struct result_list *list, const json_t *object, const char *where,
                       struct error *error) {
    enum result_kind kind = RESULT_BICUBIC;
    if (!json_is_object(object))
        return error_add(error, ERROR_DATA, "%s: a result is not a map", where);
    if (!get_kind(object, where, &kind, error)) return false;
    struct result *result = result_add(list, kind, NULL);
    struct arena *arena = &list->arena;
    return get_text(arena, object, "name", where, &result->name, error) &&
           get_text(arena, object, "architecture", where, &result->architecture, error) &&
           get_text(arena, object, "bits", where, &result->bits, error) &&
           get_text(arena, object, "input", where, &result->input, error) &&
           get_text(arena, object, "coverage", where, &result->coverage, error) &&
           get_text(arena, object, "protocol", where, &result->protocol, error) &&
           get_text(arena, object, "data", where, &result->data, error) &&
           get_scores(object, where, &result->scores, error) &&
           get_number(object, "bitops", where, &result->bitops, error) &&
           get_number(object, "macs", where, &result->macs, error) &&
           get_number(object, "parameters", where, &result->parameters, error) &&
           get_number(object, "bytes", where, &result->bytes, error) &&
           get_images(list, result, object, where, error);
}

bool result_list_from_json(struct result_list *list, const json_t *array, const char *path,
                           struct error *error) {
    if (!json_is_array(array))
        return error_add(error, ERROR_DATA, "%s: the results are not a list", path);
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (!get_result(list, json_array_get(array, i), path, error)) return false;
    }
    return true;
}

bool result_list_write(const struct result_list *list, const char *path, struct error *error) {
    json_t *document = json_object();
    json_object_set_new(document, "results", result_list_to_json(list));
    bool good = json_write(path, document, error);
    json_decref(document);
    return good;
}

bool result_list_read(struct result_list *list, const char *path, struct error *error) {
    json_t *document = json_read(path, ERROR_DATA, error);
    if (!document) return false;
    bool good = result_list_from_json(list, json_object_get(document, "results"), path, error);
    json_decref(document);
    return good;
}
