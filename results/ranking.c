#include "results/ranking.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/random.h"
#include "results/statistics.h"
#include "results/svg.h"
#include "results/text.h"
#include "results/units.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* The bootstrap over architectures has a random stream of its own. */
enum { RANKING_STREAM = 514, RANKING_RESAMPLES = 2000, RANKING_LEAST = 4 };

static int sign_of(double value) {
    return (value > 0) - (value < 0);
}

double ranking_kendall(const double *first, const double *second, size_t count) {
    double together = 0, apart_first = 0, apart_second = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < i; k++) {
            int a = sign_of(first[i] - first[k]), b = sign_of(second[i] - second[k]);
            together += a * b;
            apart_first += a != 0;
            apart_second += b != 0;
        }
    return together / sqrt(apart_first * apart_second);
}

struct ranked {
    double value;
    size_t index;
};

static int ranked_compare(const void *left, const void *right) {
    return sign_of(((const struct ranked *)left)->value - ((const struct ranked *)right)->value);
}

/* Ranks from 0; equal values share their mean rank. */
static void mean_ranks(const double *values, size_t count, double *ranks) {
    struct ranked *order = memory_allocate(count * sizeof *order);
    for (size_t i = 0; i < count; i++)
        order[i] = (struct ranked){values[i], i};
    qsort(order, count, sizeof *order, ranked_compare);
    for (size_t begin = 0, end; begin < count; begin = end) {
        for (end = begin + 1; end < count && order[end].value == order[begin].value;)
            end++;
        for (size_t i = begin; i < end; i++)
            ranks[order[i].index] = 0.5 * (double)(begin + end - 1);
    }
    memory_free(order);
}

double ranking_spearman(const double *first, const double *second, size_t count) {
    double *ranks = memory_allocate(2 * count * sizeof *ranks), *others = ranks + count;
    double product = 0, squares = 0, other_squares = 0, middle = 0.5 * ((double)count - 1);
    mean_ranks(first, count, ranks);
    mean_ranks(second, count, others);
    for (size_t i = 0; i < count; i++) {
        product += (ranks[i] - middle) * (others[i] - middle);
        squares += (ranks[i] - middle) * (ranks[i] - middle);
        other_squares += (others[i] - middle) * (others[i] - middle);
    }
    memory_free(ranks);
    return product / sqrt(squares * other_squares);
}

typedef double correlate(const double *first, const double *second, size_t count);

static int number_compare(const void *left, const void *right) {
    return sign_of(*(const double *)left - *(const double *)right);
}

static struct ranking_correlation with_interval(correlate *measure, const double *first,
                                                const double *second, size_t count) {
    struct ranking_correlation result = {measure(first, second, count), NAN, NAN};
    if (count < RANKING_LEAST) return result;
    double *drawn = memory_allocate(2 * count * sizeof *drawn), *other = drawn + count;
    double *values = memory_allocate(RANKING_RESAMPLES * sizeof *values);
    size_t known = 0;
    for (uint64_t r = 0; r < RANKING_RESAMPLES; r++) {
        struct random random = random_at(0, RANKING_STREAM, r);
        for (size_t i = 0; i < count; i++) {
            size_t index = random_below(&random, (uint32_t)count);
            drawn[i] = first[index];
            other[i] = second[index];
        }
        double value = measure(drawn, other, count);
        /* A resample of one architecture alone has no correlation. */
        if (isfinite(value)) values[known++] = value;
    }
    qsort(values, known, sizeof *values, number_compare);
    if (known) {
        result.low = values[(size_t)(0.025 * (double)(known - 1) + 0.5)];
        result.high = values[(size_t)(0.975 * (double)(known - 1) + 0.5)];
    }
    memory_free(values);
    memory_free(drawn);
    return result;
}

struct ranking_row ranking_row_of(const struct ranking *ranking, size_t rating) {
    const double *ratings = ranking->ratings[rating].ratings;
    struct ranking_row row = {
        .kendall = with_interval(ranking_kendall, ratings, ranking->truth, ranking->count),
        .spearman = with_interval(ranking_spearman, ratings, ranking->truth, ranking->count),
        .regret = NAN};
    double best = -INFINITY;
    size_t chosen = 0;
    for (size_t i = 0; i < ranking->count; i++) {
        if (ranking->truth[i] > best) best = ranking->truth[i];
        if (ratings[i] > ratings[chosen]) chosen = i;
    }
    if (ranking->count) row.regret = best - ranking->truth[chosen];
    return row;
}

static void cell_correlation(struct table *table, const struct ranking_correlation *correlation) {
    if (isnan(correlation->value))
        table_cell(table, "–");
    else if (isnan(correlation->low))
        table_cell_format(table, "%.2f", correlation->value);
    else
        table_cell_format(table, "%.2f (%.2f to %.2f)", correlation->value, correlation->low,
                          correlation->high);
}

void ranking_table(const struct ranking *ranking, struct table *table) {
    table_column(table, "rating", TABLE_LEFT);
    table_column(table, "Spearman", TABLE_RIGHT);
    table_column(table, "Kendall", TABLE_RIGHT);
    table_column(table, "regret", TABLE_RIGHT);
    table_column(table, "search time", TABLE_RIGHT);
    for (size_t r = 0; r < ranking->rating_count; r++) {
        struct ranking_row row = ranking_row_of(ranking, r);
        char buffer[UNITS_BYTES];
        table_cell(table, ranking->ratings[r].name);
        cell_correlation(table, &row.spearman);
        cell_correlation(table, &row.kendall);
        table_cell_format(table, "%.3f dB", row.regret);
        double seconds = ranking->ratings[r].seconds;
        table_cell(table, isnan(seconds) ? "–" : units_duration(seconds, buffer));
    }
}

char *ranking_notes(const struct ranking *ranking) {
    struct text text = {0};
    double least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < ranking->count; i++) {
        least = fmin(least, ranking->truth[i]);
        most = fmax(most, ranking->truth[i]);
    }
    text_format(&text,
                "%zu architectures, each trained alone with %d seed%s: %.3f to %.3f dB on %s.\n",
                ranking->count, ranking->seeds, ranking->seeds == 1 ? "" : "s", least, most,
                ranking->data ? ranking->data : "the test set");
    text_format(&text, "The deviation between seeds of one architecture: ");
    double deviation = statistics_mean(ranking->deviations, ranking->count);
    if (isnan(deviation))
        text_add(&text, "not known from one seed (rank.seeds).\n");
    else
        text_format(&text, "%.3f dB on average.\n", deviation);
    if (ranking->rating_count)
        text_add(&text,
                 "Rank correlations of the rating and the PSNR of training alone, 95 % "
                 "intervals by bootstrap over architectures. Regret: the best PSNR less that "
                 "of the architecture that is rated best.\n");
    return text_take(&text);
}

char *ranking_plot(const struct ranking *ranking) {
    struct arena arena = {0};
    size_t total = ranking->rating_count * ranking->count, count = 0, line_count = 0;
    struct svg_point *points = arena_allocate(&arena, total * sizeof *points);
    struct svg_line *lines = arena_allocate(&arena, ranking->rating_count * sizeof *lines);
    for (size_t r = 0; r < ranking->rating_count; r++) {
        const struct ranking_rating *rating = &ranking->ratings[r];
        int color = (int)(r % SVG_COLORS);
        if (isnan(rating->seconds)) continue; /* not in dB */
        /* A line without points, for its name in the legend. */
        lines[line_count++] = (struct svg_line){.name = rating->name, .color = color};
        for (size_t i = 0; i < ranking->count; i++)
            points[count++] = (struct svg_point){
                .x = rating->ratings[i],
                .y = ranking->truth[i],
                .low = ranking->truth[i] - ranking->deviations[i],
                .high = ranking->truth[i] + ranking->deviations[i],
                .hint = arena_format(&arena, "%s by %s: rated %.3f dB, alone %.3f dB",
                                     ranking->names[i], rating->name, rating->ratings[i],
                                     ranking->truth[i]),
                .color = color};
    }
    struct svg_plot plot = {.title = "PSNR of training alone against the rating",
                            .x_label = "rating: PSNR with the supernet's weights (dB)",
                            .y_label = "PSNR, trained alone (dB)",
                            .width = 640,
                            .height = 480,
                            .lines = lines,
                            .line_count = line_count,
                            .points = points,
                            .point_count = count};
    char *file = svg_plot_file(&plot);
    arena_free(&arena);
    return file;
}

static json_t *correlation_json(const struct ranking_correlation *correlation) {
    json_t *object = json_object(), *interval = json_array();
    json_object_set_new(object, "value", json_number(correlation->value));
    json_array_append_new(interval, json_number(correlation->low));
    json_array_append_new(interval, json_number(correlation->high));
    json_object_set_new(object, "interval", interval);
    return object;
}

json_t *ranking_json(const struct ranking *ranking) {
    json_t *document = json_object(), *rows = json_array(), *architectures = json_array();
    json_object_set_new(document, "seeds", json_integer(ranking->seeds));
    if (ranking->data) json_object_set_new(document, "data", json_string(ranking->data));
    for (size_t r = 0; r < ranking->rating_count; r++) {
        struct ranking_row row = ranking_row_of(ranking, r);
        json_t *object = json_object();
        json_object_set_new(object, "name", json_string(ranking->ratings[r].name));
        json_object_set_new(object, "spearman", correlation_json(&row.spearman));
        json_object_set_new(object, "kendall", correlation_json(&row.kendall));
        json_object_set_new(object, "regret", json_number(row.regret));
        json_object_set_new(object, "seconds", json_number(ranking->ratings[r].seconds));
        json_array_append_new(rows, object);
    }
    for (size_t i = 0; i < ranking->count; i++) {
        json_t *object = json_object(), *ratings = json_object();
        json_object_set_new(object, "name", json_string(ranking->names[i]));
        json_object_set_new(object, "architecture", json_string(ranking->texts[i]));
        json_object_set_new(object, "bitops", json_number(ranking->bitops[i]));
        json_object_set_new(object, "psnr", json_number(ranking->truth[i]));
        json_object_set_new(object, "deviation", json_number(ranking->deviations[i]));
        for (size_t r = 0; r < ranking->rating_count; r++)
            json_object_set_new(ratings, ranking->ratings[r].name,
                                json_number(ranking->ratings[r].ratings[i]));
        json_object_set_new(object, "ratings", ratings);
        json_array_append_new(architectures, object);
    }
    json_object_set_new(document, "ratings", rows);
    json_object_set_new(document, "architectures", architectures);
    return document;
}
