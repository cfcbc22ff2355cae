/* The report of a run: one HTML page that needs no other file, network or script. */
#ifndef TAMIS_RESULTS_REPORT_H
#define TAMIS_RESULTS_REPORT_H

#include "core/error.h"
#include "core/memory.h"
#include "results/drawing.h"
#include "results/result.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A line of the summary at the top: "Space", "rfdn". */
struct report_fact {
    const char *label;
    const char *value;
};

struct report_series {
    const char *name;
    const double *x;
    const double *y;
    size_t count;
    bool faint; /* one of many, such as the entropy of one slot */
};

/* A plot of curves over steps. */
struct report_plot {
    const char *heading;
    const char *caption; /* may be NULL */
    const char *x_label;
    const char *y_label;
    bool y_log;
    struct report_series *series;
    size_t series_count;
};

/* The final probabilities of a slot over its candidates. */
struct report_slot {
    const char *name;
    const char *const *candidates; /* "conv 3x3 · 4 bit" */
    const double *probabilities;
    size_t count;
    size_t chosen;
};

/* One image of a row: a PNG file's bytes; `label` heads it ("LR, bicubic", "32 bit", "quantized",
 * "HR"), `caption` is below it ("28.42 dB", may be NULL). */
struct report_crop {
    const char *label;
    const char *caption;
    const void *png;
    size_t png_bytes;
};

struct report_crops {
    const char *name; /* the image and where the crop lies in it */
    const struct report_crop *crops;
    size_t count;
};

/* Everything is borrowed; whatever is NULL, empty or 0 is left out of the page. */
struct report_facts {
    const char *title;
    const char *version; /* of Tamis */
    const char *date;
    const struct report_fact *summary;
    size_t summary_count;
    const char *const *warnings; /* collapse, roll-backs, ... */
    size_t warning_count;
    const struct result_list *results;
    const struct report_plot *plots;
    size_t plot_count;
    const struct report_slot *slots;
    size_t slot_count;
    const struct drawing *drawing;
    const struct report_crops *images;
    size_t image_count;
    const char *architecture; /* text of arch.yaml */
    const char *spec;         /* text of spec.yaml */
    const char *command;      /* how to make this run again */
};

/* Writes the page. */
bool report_write(const char *path, const struct report_facts *facts, struct error *error);
/* The page as text; NULL on error; free with memory_free. */
char *report_html(const struct report_facts *facts, struct error *error);

/* The plots that a journal has facts for (see results/journal.h): the loss of every stage, the
 * validation PSNR, the entropy in total and per slot, the expected BitOps. `slots` has the names of
 * the slots in the order of "entropies", or is NULL. All memory is in `arena`. */
struct report_plot *report_plots(const json_t *events, const char *const *slots, size_t slot_count,
                                 struct arena *arena, size_t *count);

#endif
