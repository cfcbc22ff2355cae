#include "core/memory.h"
#include "results/pareto.h"
#include "results/report_parts.h"
#include "results/result_table.h"
#include "results/svg.h"
#include "results/units.h"
#include <math.h>
#include <string.h>

int report_color(enum result_kind kind) {
    switch (kind) {
    case RESULT_SEARCHED:
        return 0;
    case RESULT_QUANTIZED:
        return 1;
    case RESULT_FIXED:
        return 2;
    case RESULT_BICUBIC:
        break;
    }
    return 7;
}

static const char *result_label(const struct result *result) {
    return result->name ? result->name : result_kind_name(result->kind);
}

static bool same_text(const char *left, const char *right) {
    return left == right || (left && right && strcmp(left, right) == 0);
}

/* The first result of a kind on a data set (`like` NULL: on any). */
static const struct result *find_result(const struct result_list *list, enum result_kind kind,
                                        const struct result *like) {
    for (size_t i = 0; list && i < list->count; i++) {
        const struct result *result = &list->items[i];
        if (result->kind == kind && (!like || same_text(result->data, like->data))) return result;
    }
    return NULL;
}

static void tile(struct text *out, const char *value, const char *unit, const char *below) {
    text_format(out, "<div class=\"tile\"><b>%s%s</b><span>", value, unit);
    text_add_escaped(out, below);
    text_add(out, "</span></div>\n");
}

void report_headline(struct text *out, const struct report_facts *facts) {
    const struct result *main = find_result(facts->results, RESULT_QUANTIZED, NULL);
    if (!main) return;
    const struct result *bicubic = find_result(facts->results, RESULT_BICUBIC, main);
    const struct result *full = find_result(facts->results, RESULT_SEARCHED, main);
    char value[UNITS_BYTES];
    struct text below = {0};
    text_add(out, "<div class=\"tiles\">\n");
    text_add(&below, "PSNR on Y, quantized");
    double gain = bicubic ? main->scores.psnr_y - bicubic->scores.psnr_y : NAN;
    if (isfinite(gain)) text_format(&below, "; %+.2f dB on bicubic", gain);
    tile(out, units_psnr(main->scores.psnr_y, value), " dB", below.data);
    text_clear(&below);
    text_format(&below, "BitOps%s%s", main->input ? " at LR " : "", main->input ? main->input : "");
    double share = full ? full->bitops / main->bitops : NAN;
    if (isfinite(share)) text_format(&below, "; %.1f times fewer than with 32 bits", share);
    tile(out, units_operations(main->bitops, value), "", below.data);
    text_clear(&below);
    text_add(&below, "of weights");
    double smaller = full ? full->bytes / main->bytes : NAN;
    if (isfinite(smaller)) text_format(&below, "; %.1f times smaller than with 32 bits", smaller);
    tile(out, units_file_size(main->bytes, value), "", below.data);
    text_clear(&below);
    double loss = full ? full->scores.psnr_y - main->scores.psnr_y : NAN;
    if (isfinite(loss)) {
        text_format(&below, "lost by quantization to %s bits", main->bits ? main->bits : "its");
        char shown[UNITS_BYTES];
        tile(out, units_psnr(loss, shown), " dB", below.data);
    }
    text_add(out, "</div>\n");
    text_free(&below);
}

static void html_table(struct text *out, const struct table *table,
                       const struct result_list *list) {
    text_add(out, "<div class=\"scroll\"><table>\n<thead><tr>");
    for (size_t c = 0; c < table->column_count; c++) {
        text_format(out, "<th scope=\"col\"%s>",
                    table->columns[c].align == TABLE_RIGHT ? " class=\"r\"" : "");
        text_add_escaped(out, table->columns[c].title);
        text_add(out, "</th>");
    }
    text_add(out, "</tr></thead>\n<tbody>\n");
    for (size_t r = 0; r < list->count; r++) {
        enum result_kind kind = list->items[r].kind;
        text_add(out, kind == RESULT_QUANTIZED ? "<tr class=\"main\">" : "<tr>");
        for (size_t c = 0; c < table->column_count; c++) {
            text_add(out, table->columns[c].align == TABLE_RIGHT ? "<td class=\"r\">" : "<td>");
            if (c == 0) {
                text_format(out, "<span class=\"dot\" style=\"background:var(--c%d)\"></span>",
                            report_color(kind));
            }
            text_add_escaped(out, table->cells[r * table->column_count + c]);
            text_add(out, "</td>");
        }
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody></table></div>\n");
}

void report_results(struct text *out, const struct report_facts *facts) {
    if (!facts->results || facts->results->count == 0) return;
    struct table table = {0};
    result_table(facts->results, &table);
    text_add(out, "<h2>Results</h2>\n");
    html_table(out, &table, facts->results);
    table_free(&table);
    char *notes = result_notes(facts->results);
    for (char *line = notes; *line;) {
        char *end = strchr(line, '\n');
        *end = '\0';
        text_add(out, "<p class=\"note\">");
        text_add_escaped(out, line);
        text_add(out, "</p>\n");
        line = end + 1;
    }
    memory_free(notes);
}

/* The data set of the trade-off: that of the quantized network, else of the first with a cost. */
static const struct result *tradeoff_data(const struct result_list *list) {
    const struct result *result = find_result(list, RESULT_QUANTIZED, NULL);
    for (size_t i = 0; !result && i < list->count; i++) {
        if (isfinite(list->items[i].bitops)) result = &list->items[i];
    }
    return result;
}

struct tradeoff {
    struct svg_point *points;
    struct pareto_point *costs;
    size_t count;
    double *front_x;
    double *front_y;
    size_t front_count;
};

static void tradeoff_fill(struct tradeoff *tradeoff, const struct result_list *list,
                          const struct result *like, struct arena *arena) {
    for (size_t i = 0; i < list->count; i++) {
        const struct result *result = &list->items[i];
        if (!same_text(result->data, like->data)) continue;
        if (!isfinite(result->bitops) || !isfinite(result->scores.psnr_y) || result->bitops <= 0)
            continue;
        char psnr[UNITS_BYTES];
        char cost[UNITS_BYTES];
        tradeoff->points[tradeoff->count] = (struct svg_point){
            .x = result->bitops,
            .y = result->scores.psnr_y,
            .low = NAN,
            .high = NAN,
            .label = result_label(result),
            .hint = arena_format(arena, "%s: %s dB, %s BitOps", result_label(result),
                                 units_psnr(result->scores.psnr_y, psnr),
                                 units_operations(result->bitops, cost)),
            .color = report_color(result->kind),
            .hollow = result->kind == RESULT_FIXED,
        };
        tradeoff->costs[tradeoff->count++] =
            (struct pareto_point){result->scores.psnr_y, result->bitops};
    }
    size_t *front = memory_allocate(list->count * sizeof *front);
    tradeoff->front_count = pareto_front(tradeoff->costs, tradeoff->count, front);
    for (size_t i = 0; i < tradeoff->front_count; i++) {
        tradeoff->front_x[i] = tradeoff->costs[front[i]].bitops;
        tradeoff->front_y[i] = tradeoff->costs[front[i]].psnr;
    }
    memory_free(front);
}

void report_tradeoff(struct text *out, const struct report_facts *facts) {
    const struct result_list *list = facts->results;
    const struct result *like = list ? tradeoff_data(list) : NULL;
    if (!like) return;
    struct arena arena = {0};
    struct tradeoff tradeoff = {
        .points = arena_allocate(&arena, list->count * sizeof *tradeoff.points),
        .costs = arena_allocate(&arena, list->count * sizeof *tradeoff.costs),
        .front_x = arena_allocate(&arena, list->count * sizeof(double)),
        .front_y = arena_allocate(&arena, list->count * sizeof(double)),
    };
    tradeoff_fill(&tradeoff, list, like, &arena);
    const struct result *bicubic = find_result(list, RESULT_BICUBIC, like);
    struct svg_level level = {.y = bicubic ? bicubic->scores.psnr_y : NAN};
    char psnr[UNITS_BYTES];
    if (bicubic) level.label = arena_format(&arena, "bicubic, %s dB", units_psnr(level.y, psnr));
    struct svg_line front = {.name = "Pareto front",
                             .x = tradeoff.front_x,
                             .y = tradeoff.front_y,
                             .count = tradeoff.front_count,
                             .style = SVG_STEPS,
                             .color = 7};
    struct svg_plot plot = {
        .title = "PSNR against BitOps",
        .x_label = arena_format(&arena, "BitOps%s%s", like->input ? " for an LR input of " : "",
                                like->input ? like->input : ""),
        .y_label = "PSNR Y (dB)",
        .width = 1030,
        .height = 400,
        .x_log = true,
        .lines = &front,
        .line_count = tradeoff.front_count > 1 ? 1 : 0,
        .points = tradeoff.points,
        .point_count = tradeoff.count,
        .levels = &level,
        .level_count = bicubic && isfinite(level.y) ? 1 : 0,
    };
    if (tradeoff.count > 0) {
        text_add(out, "<h2>Quality against cost</h2>\n<figure>\n");
        svg_plot_write(out, &plot);
        text_add(out, "<figcaption>Up and left is better. Hollow points are fixed architectures. "
                      "The cost axis is logarithmic.</figcaption></figure>\n");
    }
    arena_free(&arena);
}

static const struct result_image *find_image(const struct result *result, const char *name) {
    for (size_t i = 0; i < result->image_count; i++) {
        if (same_text(result->images[i].name, name)) return &result->images[i];
    }
    return NULL;
}

static bool same_images(const struct result *result, const struct result *first) {
    return result->image_count > 0 && same_text(result->data, first->data);
}

static void image_scores_of(struct text *out, const struct result_list *list, size_t begin) {
    const struct result *first = &list->items[begin];
    text_format(out, "<details%s><summary>", first->image_count <= 20 ? " open" : "");
    text_add_escaped(out, first->data ? first->data : "Images");
    text_format(out,
                ", %zu images</summary>\n<div class=\"scroll\"><table>\n<thead><tr>"
                "<th scope=\"col\">image</th>",
                first->image_count);
    for (size_t i = begin; i < list->count; i++) {
        if (!same_images(&list->items[i], first)) continue;
        text_add(out, "<th scope=\"col\" class=\"r\">");
        text_add_escaped(out, result_label(&list->items[i]));
        text_add(out, "</th>");
    }
    text_add(out, "</tr></thead>\n<tbody>\n");
    for (size_t row = 0; row < first->image_count; row++) {
        text_add(out, "<tr><td>");
        text_add_escaped(out, first->images[row].name);
        text_add(out, "</td>");
        for (size_t i = begin; i < list->count; i++) {
            if (!same_images(&list->items[i], first)) continue;
            const struct result_image *image = find_image(&list->items[i], first->images[row].name);
            char psnr[UNITS_BYTES];
            char ssim[UNITS_BYTES];
            text_format(out, "<td class=\"r\">%s<small>%s</small></td>",
                        units_psnr(image ? image->scores.psnr_y : NAN, psnr),
                        units_ssim(image ? image->scores.ssim_y : NAN, ssim));
        }
        text_add(out, "</tr>\n");
    }
    text_add(out, "</tbody></table></div></details>\n");
}

void report_image_scores(struct text *out, const struct report_facts *facts) {
    const struct result_list *list = facts->results;
    bool any = false;
    for (size_t i = 0; list && i < list->count; i++) {
        if (list->items[i].image_count == 0) continue;
        bool shown = false;
        for (size_t k = 0; k < i; k++)
            shown = shown || same_images(&list->items[k], &list->items[i]);
        if (shown) continue;
        if (!any) {
            text_add(out,
                     "<h2>Every image</h2>\n<p class=\"note\">PSNR on Y in dB, and SSIM on Y in "
                     "small.</p>\n");
        }
        any = true;
        image_scores_of(out, list, i);
    }
}
