#include "results/journal.h"
#include "results/report.h"
#include <math.h>
#include <string.h>

/* More points than this get a smoothed curve over a faint raw one. */
enum { SMOOTH_FROM = 100 };

struct plots {
    struct arena *arena;
    const json_t *events;
    struct report_plot *items;
    size_t count;
};

static struct report_series plots_series(struct plots *plots, const char *stage, const char *field,
                                         int index, const char *name) {
    double *x;
    double *y;
    size_t count = journal_series(plots->events, "step", stage, field, index, &x, &y);
    double *kept = arena_allocate(plots->arena, 2 * count * sizeof *kept);
    if (count) {
        memcpy(kept, x, count * sizeof *kept);
        memcpy(kept + count, y, count * sizeof *kept);
    }
    memory_free(x);
    memory_free(y);
    return (struct report_series){.name = name, .x = kept, .y = kept + count, .count = count};
}

/* The mean over a window around each point, about a fiftieth of the curve wide. */
static struct report_series plots_smooth(struct plots *plots, const struct report_series *raw,
                                         const char *name) {
    double *y = arena_allocate(plots->arena, raw->count * sizeof *y);
    size_t half = raw->count / 100;
    for (size_t i = 0; i < raw->count; i++) {
        size_t reach = half;
        if (reach > i) reach = i;
        if (reach > raw->count - 1 - i) reach = raw->count - 1 - i;
        double sum = 0;
        for (size_t k = i - reach; k <= i + reach; k++)
            sum += raw->y[k];
        y[i] = sum / (double)(2 * reach + 1);
    }
    return (struct report_series){.name = name, .x = raw->x, .y = y, .count = raw->count};
}

static struct report_plot *plots_add(struct plots *plots, const char *stage, const char *what,
                                     const char *y_label, size_t room) {
    struct report_plot *plot = &plots->items[plots->count++];
    *plot = (struct report_plot){
        .heading = arena_format(plots->arena, "%s, %s", what, stage),
        .x_label = "step",
        .y_label = y_label,
        .series = arena_allocate(plots->arena, room * sizeof *plot->series),
    };
    return plot;
}

/* A noisy curve is smoothed, on a log axis. */
static void plots_curve(struct plots *plots, const char *stage, const char *field, const char *what,
                        const char *y_label, bool noisy) {
    struct report_series raw = plots_series(plots, stage, field, -1, what);
    if (raw.count == 0) return;
    struct report_plot *plot = plots_add(plots, stage, what, y_label, 2);
    plot->y_log = noisy;
    if (noisy && raw.count >= SMOOTH_FROM) {
        plot->series[plot->series_count++] = plots_smooth(plots, &raw, "smoothed");
        raw.faint = true;
        raw.name = "every step";
        plot->caption = "The faint line is every logged step, the strong one a moving mean.";
    }
    plot->series[plot->series_count++] = raw;
}

static size_t plots_slots(const struct plots *plots, const char *stage) {
    size_t most = 0;
    for (size_t i = 0; i < json_array_size(plots->events); i++) {
        const json_t *event = json_array_get(plots->events, i);
        const char *of = json_string_value(json_object_get(event, "stage"));
        size_t count = json_array_size(json_object_get(event, "entropies"));
        if (of && strcmp(of, stage) == 0 && count > most) most = count;
    }
    return most;
}

static void plots_entropy(struct plots *plots, const char *stage, const char *const *slots,
                          size_t slot_count) {
    struct report_series total = plots_series(plots, stage, "entropy", -1, "Entropy");
    if (total.count == 0) return;
    struct report_plot *plot = plots_add(plots, stage, "Entropy of α in total", "nats", 1);
    plot->series[plot->series_count++] = total;
    size_t count = plots_slots(plots, stage);
    if (count == 0) return;
    plot = plots_add(plots, stage, "Entropy of every slot", "nats", count);
    plot->caption = "One line a slot; 0 means that the slot has decided.";
    for (size_t i = 0; i < count; i++) {
        const char *name =
            slots && i < slot_count ? slots[i] : arena_format(plots->arena, "slot %zu", i + 1);
        struct report_series series = plots_series(plots, stage, "entropies", (int)i, name);
        series.faint = true;
        if (series.count) plot->series[plot->series_count++] = series;
    }
}

struct report_plot *report_plots(const json_t *events, const char *const *slots, size_t slot_count,
                                 struct arena *arena, size_t *count) {
    enum { MOST_STAGES = 16, PLOTS_A_STAGE = 7 };
    struct plots plots = {.arena = arena, .events = events};
    plots.items = arena_allocate(arena, MOST_STAGES * PLOTS_A_STAGE * sizeof *plots.items);
    const char *stages[MOST_STAGES];
    size_t stage_count = 0;
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *event = json_array_get(events, i);
        const char *name = json_string_value(json_object_get(event, "event"));
        const char *stage = json_string_value(json_object_get(event, "stage"));
        bool known = !stage || !name || strcmp(name, "step") != 0 || stage_count == MOST_STAGES;
        for (size_t k = 0; k < stage_count && !known; k++)
            known = strcmp(stages[k], stage) == 0;
        if (!known) stages[stage_count++] = stage;
    }
    for (size_t i = 0; i < stage_count; i++) {
        const char *stage = arena_copy(arena, stages[i]);
        plots_curve(&plots, stage, "loss", "Loss", "loss", true);
        plots_curve(&plots, stage, "validation", "Validation", "PSNR (dB)", false);
        plots_curve(&plots, stage, "bitops", "Expected BitOps", "BitOps", false);
        plots_curve(&plots, stage, "macs", "Expected MACs", "MACs", false);
        plots_curve(&plots, stage, "parameters", "Expected parameters", "parameters", false);
        plots_curve(&plots, stage, "bytes", "Expected bytes", "bytes", false);
        plots_entropy(&plots, stage, slots, slot_count);
    }
    *count = plots.count;
    return plots.items;
}
