/* tamis compare SPEC */
#include "cli/command.h"
#include "cli/output.h"
#include "cli/stages.h"
#include "core/json.h"
#include "search/compare.h"
#include <stdio.h>

static void print_outcome(const struct options *options, const struct spec *spec,
                          const struct compare_outcome *outcome) {
    if (options->json) {
        json_t *document = comparison_json(&outcome->comparison);
        json_print(document);
        json_decref(document);
        return;
    }
    struct table quality = {0}, cost = {0};
    comparison_quality_table(&outcome->comparison, &quality);
    comparison_cost_table(&outcome->comparison, &cost);
    output_table(&quality);
    putchar('\n');
    output_table(&cost);
    char *notes = comparison_notes(&outcome->comparison);
    printf("\n%s\nTable: %s/" COMPARE_TABLE "\nPlot: %s/" COMPARE_PLOT "\n", notes, spec->out,
           spec->out);
    memory_free(notes);
}

static bool run_compare(const struct options *options, struct error *error) {
    struct spec spec;
    if (!stages_spec(options, options->words.items[1], &spec, error)) return false;
    struct farm_options farm = {.force = options->force, .resume = options->resume};
    struct compare_outcome outcome = {0};
    bool ok = compare_run(&spec, &farm, &outcome, error);
    if (ok) print_outcome(options, &spec, &outcome);
    compare_outcome_free(&outcome);
    spec_free(&spec);
    return ok;
}

const struct command command_compare = {
    .name = "compare",
    .bit = COMMAND_COMPARE,
    .words = "SPEC",
    .needed = "one SPEC",
    .minimum = 1,
    .maximum = 1,
    .summary = "strategies and seeds under one budget: table, Pareto fronts, statistics",
    .description = "Runs every strategy of compare.strategies, and random search, with "
                   "compare.seeds seeds, each trial in a run folder of its own, several at a time. "
                   "Says mean, deviation and confidence intervals of what they found, tests them "
                   "against random search, and what each search cost. --resume goes on with the "
                   "trials that are not finished, also with more seeds or strategies than before.",
    .example = "tamis compare search/compare_tiny.yaml",
    .is_long = true,
    .run = run_compare,
};
