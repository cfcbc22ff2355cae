/* The plot of a comparison. */
#include "core/memory.h"
#include "results/comparison.h"
#include "results/svg.h"
#include <math.h>
#include <string.h>

/* What one strategy adds to the plot. */
struct layer {
    double *x, *y; /* its front */
    size_t count;
};

static struct layer front_layer(const struct pareto_point *points, size_t count,
                                struct arena *arena) {
    size_t *front = memory_allocate(count * sizeof *front);
    struct layer layer = {.count = pareto_front(points, count, front)};
    layer.x = arena_allocate(arena, layer.count * sizeof(double));
    layer.y = arena_allocate(arena, layer.count * sizeof(double));
    for (size_t i = 0; i < layer.count; i++) {
        layer.x[i] = points[front[i]].bitops;
        layer.y[i] = points[front[i]].psnr;
    }
    memory_free(front);
    return layer;
}

char *comparison_plot(const struct comparison *comparison) {
    struct arena arena = {0};
    size_t total = 0, strategies = comparison->strategy_count;
    for (size_t i = 0; i < comparison->count; i++)
        total += comparison->trials[i].point_count;
    struct svg_point *points = arena_allocate(&arena, total * sizeof *points);
    struct pareto_point *own = arena_allocate(&arena, total * sizeof *own);
    struct svg_line *lines = arena_allocate(&arena, strategies * sizeof *lines);
    size_t count = 0;
    for (size_t s = 0; s < strategies; s++) {
        const char *name = comparison->strategies[s];
        size_t own_count = 0;
        for (size_t i = 0; i < comparison->count; i++) {
            const struct comparison_trial *trial = &comparison->trials[i];
            if (trial->failure || strcmp(trial->strategy, name) != 0) continue;
            for (size_t k = 0; k < trial->point_count; k++) {
                own[own_count++] = trial->points[k];
                points[count++] =
                    (struct svg_point){.x = trial->points[k].bitops,
                                       .y = trial->points[k].psnr,
                                       .low = NAN,
                                       .high = NAN,
                                       .hint = arena_format(&arena, "%s, seed %d: %.3f dB", name,
                                                            trial->seed, trial->points[k].psnr),
                                       .color = (int)(s % SVG_COLORS),
                                       .hollow = s >= SVG_COLORS};
            }
        }
        struct layer layer = front_layer(own, own_count, &arena);
        lines[s] = (struct svg_line){.name = name,
                                     .x = layer.x,
                                     .y = layer.y,
                                     .count = layer.count,
                                     .style = s < SVG_COLORS ? SVG_STEPS : SVG_DASHED,
                                     .color = (int)(s % SVG_COLORS)};
    }
    struct svg_plot plot = {.title =
                                "PSNR against BitOps of every trial, and each strategy's front",
                            .x_label = "BitOps",
                            .y_label = "PSNR (dB)",
                            .width = 800,
                            .height = 480,
                            .x_log = true,
                            .lines = lines,
                            .line_count = strategies,
                            .points = points,
                            .point_count = count};
    char *file = svg_plot_file(&plot);
    arena_free(&arena);
    return file;
}
