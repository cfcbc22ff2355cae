/* What is known of one evaluated network: facts for tables, reports and comparisons. */
#ifndef TAMIS_RESULTS_RESULT_H
#define TAMIS_RESULTS_RESULT_H

#include "core/error.h"
#include "core/memory.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum result_kind {
    RESULT_BICUBIC,   /* no network */
    RESULT_SEARCHED,  /* the derived network in 32 bits */
    RESULT_QUANTIZED, /* the derived network with the bits it was given */
    RESULT_FIXED      /* a fixed architecture, or fixed bits */
};

/* PSNR in dB, infinite for equal images; SSIM at most 1; NaN where not measured. */
struct result_scores {
    double psnr_y;
    double ssim_y;
    double psnr_rgb;
    double ssim_rgb;
};

struct result_image {
    const char *name;
    struct result_scores scores;
};

/* Texts may be NULL where unknown. They are borrowed, or lie in the list's arena. */
struct result {
    enum result_kind kind;
    const char *name;            /* "searched, quantized" */
    const char *architecture;    /* the text of arch.yaml */
    const char *bits;            /* "32", "8", "mixed 4/8 (5.3)" */
    struct result_scores scores; /* mean over images */
    double bitops;               /* an integer, exact up to 2^53; NaN where there is no network */
    double macs;                 /* likewise */
    double parameters;           /* likewise */
    double bytes;         /* of all weights as stored on a device; NaN where there is no network */
    const char *input;    /* LR input size that the costs are for, "320x180" (width x height) */
    const char *coverage; /* what the costs count: "all convolutions and matrix products" */
    const char *protocol; /* how the scores were measured */
    const char *data;     /* the name of the data set */
    struct result_image *images;
    size_t image_count;
};

struct result_list {
    struct arena arena;
    struct result *items;
    size_t count;
    size_t capacity;
};

/* Appends a row whose numbers are all NaN and whose texts are all NULL. The pointer is good until
 * the next call. */
struct result *result_add(struct result_list *list, enum result_kind kind, const char *name);
/* Room for `count` images with NaN scores, in the list's arena. */
void result_set_images(struct result_list *list, struct result *result, size_t count);
/* Sets the scores to the means over the images; one infinite value makes the mean infinite. */
void result_average_images(struct result *result);
void result_list_free(struct result_list *list);

/* "bicubic", "searched", "quantized", "fixed". */
const char *result_kind_name(enum result_kind kind);

/* An object; integers are exact, an infinite PSNR is null and a NaN is left out. json_decref it. */
json_t *result_to_json(const struct result *result);
json_t *result_list_to_json(const struct result_list *list); /* an array */
/* Appends the results of an array; `path` is for messages. */
bool result_list_from_json(struct result_list *list, const json_t *array, const char *path,
                           struct error *error);
/* result.json: {"results": [...]}. */
bool result_list_write(const struct result_list *list, const char *path, struct error *error);
bool result_list_read(struct result_list *list, const char *path, struct error *error);

#endif
