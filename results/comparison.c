#include "results/comparison.h"
#include "core/json.h"
#include "core/memory.h"
#include "results/text.h"
#include "results/units.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

/* The finished trials of a strategy, in their order. */
static size_t finished_trials(const struct comparison *comparison, const char *strategy,
                              const struct comparison_trial **trials) {
    size_t count = 0;
    for (size_t i = 0; i < comparison->count; i++)
        if (!comparison->trials[i].failure && strcmp(comparison->trials[i].strategy, strategy) == 0)
            trials[count++] = &comparison->trials[i];
    return count;
}

static double hypervolume_of(const struct comparison *comparison,
                             const struct comparison_trial *trial) {
    return pareto_hypervolume(trial->points, trial->point_count, comparison->reference);
}

/* The points of several trials in a row; free with memory_free. */
static struct pareto_point *gather_points(const struct comparison_trial *const *trials,
                                          size_t count, size_t *point_count) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += trials[i]->point_count;
    struct pareto_point *points = memory_allocate(total * sizeof *points);
    *point_count = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < trials[i]->point_count; k++)
            points[(*point_count)++] = trials[i]->points[k];
    return points;
}

/* Statistics of one number of each trial, which lies at `offset` in it. */
static struct statistics statistics_at(const struct comparison_trial *const *trials, size_t count,
                                       size_t offset) {
    double *values = memory_allocate(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        memcpy(&values[i], (const char *)trials[i] + offset, sizeof *values);
    struct statistics result = statistics_of(values, count);
    memory_free(values);
    return result;
}

static void compare_with_baseline(const struct comparison *comparison,
                                  const struct comparison_trial *const *trials, size_t count,
                                  struct comparison_row *row) {
    const struct comparison_trial **others =
        memory_allocate(comparison->count * sizeof(const struct comparison_trial *));
    size_t other_count = finished_trials(comparison, comparison->baseline, others), pairs = 0;
    double *values = memory_allocate(4 * count * sizeof *values);
    double *psnr = values, *psnr_other = psnr + count, *volume = psnr_other + count,
           *volume_other = volume + count;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < other_count; k++)
            if (others[k]->seed == trials[i]->seed) {
                psnr[pairs] = trials[i]->psnr;
                psnr_other[pairs] = others[k]->psnr;
                volume[pairs] = hypervolume_of(comparison, trials[i]);
                volume_other[pairs] = hypervolume_of(comparison, others[k]);
                pairs++;
                break;
            }
    row->psnr_difference = statistics_paired_of(psnr, psnr_other, pairs);
    row->hypervolume_difference = statistics_paired_of(volume, volume_other, pairs);
    memory_free(values);
    memory_free(others);
}

struct comparison_row comparison_row_of(const struct comparison *comparison, size_t strategy) {
    const char *name = comparison->strategies[strategy];
    const struct comparison_trial **trials =
        memory_allocate(comparison->count * sizeof(const struct comparison_trial *));
    size_t count = finished_trials(comparison, name, trials);
    struct comparison_row row = {.finished = count};
    for (size_t i = 0; i < comparison->count; i++)
        row.failed +=
            comparison->trials[i].failure && strcmp(comparison->trials[i].strategy, name) == 0;
    for (size_t i = 0; i < count; i++)
        row.collapsed += trials[i]->collapsed;
    const struct {
        struct statistics *to;
        size_t offset;
    } columns[] = {{&row.psnr, offsetof(struct comparison_trial, psnr)},
                   {&row.psnr_float, offsetof(struct comparison_trial, psnr_float)},
                   {&row.bitops, offsetof(struct comparison_trial, bitops)},
                   {&row.seconds, offsetof(struct comparison_trial, seconds)},
                   {&row.cpu_seconds, offsetof(struct comparison_trial, cpu_seconds)},
                   {&row.macs, offsetof(struct comparison_trial, macs)},
                   {&row.peak_bytes, offsetof(struct comparison_trial, peak_bytes)}};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        *columns[i].to = statistics_at(trials, count, columns[i].offset);
    double *volumes = memory_allocate(count * sizeof *volumes);
    for (size_t i = 0; i < count; i++)
        volumes[i] = hypervolume_of(comparison, trials[i]);
    row.hypervolume = statistics_of(volumes, count);
    memory_free(volumes);
    size_t point_count;
    struct pareto_point *points = gather_points(trials, count, &point_count);
    row.front_hypervolume = pareto_hypervolume(points, point_count, comparison->reference);
    memory_free(points);
    if (strcmp(name, comparison->baseline) != 0)
        compare_with_baseline(comparison, trials, count, &row);
    memory_free(trials);
    return row;
}

static void cell_interval(struct table *table, const struct statistics *statistics) {
    if (isnan(statistics->low))
        table_cell(table, "–");
    else
        table_cell_format(table, "%.3f–%.3f", statistics->low, statistics->high);
}

static void cell_difference(struct table *table, const struct statistics_paired *paired) {
    if (paired->count == 0)
        table_cell(table, "");
    else if (isnan(paired->p))
        table_cell_format(table, "%+.3f", paired->mean);
    else
        table_cell_format(table, "%+.3f (%+.3f to %+.3f), p %.2f", paired->mean, paired->low,
                          paired->high, paired->p);
}

/* dB times BitOps, in units of the reference's BitOps: what the table shows of a hypervolume. */
static double volume_in_decibels(const struct comparison *comparison, double volume) {
    return volume / comparison->reference.bitops;
}

void comparison_quality_table(const struct comparison *comparison, struct table *table) {
    table_column(table, "strategy", TABLE_LEFT);
    table_column(table, "trials", TABLE_RIGHT);
    table_column(table, "PSNR", TABLE_RIGHT);
    table_column(table, "95 % interval", TABLE_RIGHT);
    table_column(table, "against baseline", TABLE_RIGHT);
    table_column(table, "32 bit", TABLE_RIGHT);
    table_column(table, "BitOps", TABLE_RIGHT);
    table_column(table, "hypervolume", TABLE_RIGHT);
    table_column(table, "of the front", TABLE_RIGHT);
    table_column(table, "collapsed", TABLE_RIGHT);
    for (size_t s = 0; s < comparison->strategy_count; s++) {
        struct comparison_row row = comparison_row_of(comparison, s);
        char buffer[UNITS_BYTES];
        table_cell(table, comparison->strategies[s]);
        if (row.failed)
            table_cell_format(table, "%zu (%zu failed)", row.finished, row.failed);
        else
            table_cell_format(table, "%zu", row.finished);
        if (!row.finished) {
            for (int i = 0; i < 8; i++)
                table_cell(table, "–");
            continue;
        }
        if (isnan(row.psnr.deviation))
            table_cell_format(table, "%.3f", row.psnr.mean);
        else
            table_cell_format(table, "%.3f ± %.3f", row.psnr.mean, row.psnr.deviation);
        cell_interval(table, &row.psnr);
        cell_difference(table, &row.psnr_difference);
        table_cell_format(table, "%.3f", row.psnr_float.mean);
        table_cell(table, units_operations(row.bitops.mean, buffer));
        table_cell_format(table, "%.3f", volume_in_decibels(comparison, row.hypervolume.mean));
        table_cell_format(table, "%.3f", volume_in_decibels(comparison, row.front_hypervolume));
        table_cell_format(table, "%zu", row.collapsed);
    }
}

void comparison_cost_table(const struct comparison *comparison, struct table *table) {
    table_column(table, "strategy", TABLE_LEFT);
    table_column(table, "search time", TABLE_RIGHT);
    table_column(table, "processor time", TABLE_RIGHT);
    table_column(table, "MACs", TABLE_RIGHT);
    table_column(table, "peak memory", TABLE_RIGHT);
    for (size_t s = 0; s < comparison->strategy_count; s++) {
        struct comparison_row row = comparison_row_of(comparison, s);
        char buffer[UNITS_BYTES];
        table_cell(table, comparison->strategies[s]);
        for (int i = 0; !row.finished && i < 4; i++)
            table_cell(table, "–");
        if (!row.finished) continue;
        table_cell(table, units_duration(row.seconds.mean, buffer));
        table_cell(table, units_duration(row.cpu_seconds.mean, buffer));
        table_cell(table, units_operations(row.macs.mean, buffer));
        table_cell(table, units_file_size(row.peak_bytes.greatest, buffer));
    }
}

/* Below this share of the largest mean budget, a strategy spent too little to be compared. */
static const double even_budget = 0.9;

static void note_budgets(const struct comparison *comparison, struct text *text) {
    double largest = 0;
    for (size_t s = 0; s < comparison->strategy_count; s++) {
        double macs = comparison_row_of(comparison, s).macs.mean;
        if (macs > largest) largest = macs;
    }
    for (size_t s = 0; s < comparison->strategy_count; s++) {
        struct comparison_row row = comparison_row_of(comparison, s);
        if (row.finished && row.macs.mean < even_budget * largest)
            text_format(text,
                        "Unequal budgets: %s spent %.0f %% of the MACs of the search that spent "
                        "most.\n",
                        comparison->strategies[s], 100 * row.macs.mean / largest);
    }
}

char *comparison_notes(const struct comparison *comparison) {
    struct text text = {0};
    char psnr[UNITS_BYTES], bitops[UNITS_BYTES];
    text_format(
        &text,
        "PSNR: mean and standard deviation over all finished trials, of the network found "
        "with its bits; interval: 95 %% of the mean, bootstrap. Against baseline: mean "
        "difference to %s over the same seeds, its interval, two-sided sign-flip test (with "
        "n seeds p is at least 2^(1-n)).\n",
        comparison->baseline);
    text_format(&text,
                "Hypervolume: area over the reference point (%s dB, %s BitOps) divided by these "
                "BitOps, mean over trials; of the front: of all trials together.\n",
                units_psnr(comparison->reference.psnr, psnr),
                units_operations(comparison->reference.bitops, bitops));
    text_add(&text, "Times, MACs and memory are those of the search alone; time and MACs as means, "
                    "memory as the largest.\n");
    if (comparison->budget > 0)
        text_format(&text,
                    "Budget of strategies without a supernet: %s MACs a search, which ends before "
                    "the first trial that does not fit.\n",
                    units_operations(comparison->budget, bitops));
    note_budgets(comparison, &text);
    for (size_t i = 0; i < comparison->count; i++)
        if (comparison->trials[i].failure)
            text_format(&text, "Failed: %s, seed %d: %s\n", comparison->trials[i].strategy,
                        comparison->trials[i].seed, comparison->trials[i].failure);
    if (comparison->data) text_format(&text, "Data: %s\n", comparison->data);
    if (comparison->protocol) text_format(&text, "Protocol: %s\n", comparison->protocol);
    if (comparison->input) text_format(&text, "LR input of the costs: %s\n", comparison->input);
    return text_take(&text);
}

static json_t *number_list(const double *values, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_number(values[i]));
    return list;
}

static json_t *statistics_json(const struct statistics *statistics) {
    json_t *object = json_object(), *interval = json_array();
    json_object_set_new(object, "mean", json_number(statistics->mean));
    json_object_set_new(object, "deviation", json_number(statistics->deviation));
    json_object_set_new(object, "median", json_number(statistics->median));
    json_array_append_new(interval, json_number(statistics->low));
    json_array_append_new(interval, json_number(statistics->high));
    json_object_set_new(object, "interval", interval);
    return object;
}

static json_t *paired_json(const struct statistics_paired *paired) {
    json_t *object = json_object();
    const double interval[] = {paired->low, paired->high};
    json_object_set_new(object, "pairs", json_integer((json_int_t)paired->count));
    json_object_set_new(object, "mean", json_number(paired->mean));
    json_object_set_new(object, "interval", number_list(interval, 2));
    json_object_set_new(object, "p", json_number(paired->p));
    return object;
}

static json_t *points_json(const struct pareto_point *points, const size_t *which, size_t count) {
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct pareto_point *point = &points[which ? which[i] : i];
        json_t *object = json_object();
        json_object_set_new(object, "psnr", json_number(point->psnr));
        json_object_set_new(object, "bitops", json_number(point->bitops));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *front_json(const struct comparison *comparison, const char *strategy) {
    const struct comparison_trial **trials =
        memory_allocate(comparison->count * sizeof(const struct comparison_trial *));
    size_t point_count, count = finished_trials(comparison, strategy, trials);
    struct pareto_point *points = gather_points(trials, count, &point_count);
    size_t *front = memory_allocate(point_count * sizeof *front);
    json_t *list = points_json(points, front, pareto_front(points, point_count, front));
    memory_free(front);
    memory_free(points);
    memory_free(trials);
    return list;
}

static json_t *row_json(const struct comparison *comparison, size_t strategy) {
    struct comparison_row row = comparison_row_of(comparison, strategy);
    json_t *object = json_object();
    json_object_set_new(object, "strategy", json_string(comparison->strategies[strategy]));
    json_object_set_new(object, "finished", json_integer((json_int_t)row.finished));
    json_object_set_new(object, "failed", json_integer((json_int_t)row.failed));
    json_object_set_new(object, "collapsed", json_integer((json_int_t)row.collapsed));
    json_object_set_new(object, "psnr", statistics_json(&row.psnr));
    json_object_set_new(object, "psnr_float", statistics_json(&row.psnr_float));
    json_object_set_new(object, "bitops", statistics_json(&row.bitops));
    json_object_set_new(object, "hypervolume", statistics_json(&row.hypervolume));
    json_object_set_new(object, "front_hypervolume", json_number(row.front_hypervolume));
    json_object_set_new(object, "front", front_json(comparison, comparison->strategies[strategy]));
    json_object_set_new(object, "seconds", statistics_json(&row.seconds));
    json_object_set_new(object, "cpu_seconds", statistics_json(&row.cpu_seconds));
    json_object_set_new(object, "macs", statistics_json(&row.macs));
    json_object_set_new(object, "peak_bytes", statistics_json(&row.peak_bytes));
    if (strcmp(comparison->strategies[strategy], comparison->baseline) != 0) {
        json_object_set_new(object, "psnr_difference", paired_json(&row.psnr_difference));
        json_object_set_new(object, "hypervolume_difference",
                            paired_json(&row.hypervolume_difference));
    }
    return object;
}

static json_t *trial_json(const struct comparison_trial *trial) {
    json_t *object = json_object();
    json_object_set_new(object, "strategy", json_string(trial->strategy));
    json_object_set_new(object, "seed", json_integer(trial->seed));
    if (trial->failure) {
        json_object_set_new(object, "failure", json_string(trial->failure));
        return object;
    }
    json_object_set_new(object, "psnr", json_number(trial->psnr));
    json_object_set_new(object, "psnr_float", json_number(trial->psnr_float));
    json_object_set_new(object, "bitops", json_number(trial->bitops));
    json_object_set_new(object, "points", points_json(trial->points, NULL, trial->point_count));
    json_object_set_new(object, "seconds", json_number(trial->seconds));
    json_object_set_new(object, "cpu_seconds", json_number(trial->cpu_seconds));
    json_object_set_new(object, "macs", json_number(trial->macs));
    json_object_set_new(object, "peak_bytes", json_number(trial->peak_bytes));
    json_object_set_new(object, "collapsed", json_boolean(trial->collapsed));
    return object;
}

json_t *comparison_json(const struct comparison *comparison) {
    json_t *document = json_object(), *rows = json_array(), *trials = json_array();
    json_object_set_new(document, "baseline", json_string(comparison->baseline));
    json_object_set_new(document, "reference",
                        json_pack("{s:f, s:f}", "psnr", comparison->reference.psnr, "bitops",
                                  comparison->reference.bitops));
    if (comparison->budget > 0)
        json_object_set_new(document, "budget", json_number(comparison->budget));
    if (comparison->data) json_object_set_new(document, "data", json_string(comparison->data));
    if (comparison->input) json_object_set_new(document, "input", json_string(comparison->input));
    if (comparison->protocol)
        json_object_set_new(document, "protocol", json_string(comparison->protocol));
    for (size_t s = 0; s < comparison->strategy_count; s++)
        json_array_append_new(rows, row_json(comparison, s));
    for (size_t i = 0; i < comparison->count; i++)
        json_array_append_new(trials, trial_json(&comparison->trials[i]));
    json_object_set_new(document, "strategies", rows);
    json_object_set_new(document, "trials", trials);
    return document;
}
