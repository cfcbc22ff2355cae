/* tamis rank SPEC */
#include "cli/command.h"
#include "cli/output.h"
#include "cli/stages.h"
#include "core/json.h"
#include "search/rank.h"
#include <stdio.h>

static void print_outcome(const struct options *options, const struct spec *spec,
                          const struct ranking *ranking) {
    if (options->json) {
        json_t *document = ranking_json(ranking);
        json_print(document);
        json_decref(document);
        return;
    }
    if (ranking->rating_count) {
        struct table table = {0};
        ranking_table(ranking, &table);
        output_table(&table);
        putchar('\n');
    }
    char *notes = ranking_notes(ranking);
    printf("%s\nEvery architecture: %s/" RANK_JSON "\nPlot: %s/" RANK_PLOT "\n", notes, spec->out,
           spec->out);
    memory_free(notes);
}

static bool run_rank(const struct options *options, struct error *error) {
    struct spec spec;
    if (!stages_spec(options, options->words.items[1], &spec, error)) return false;
    struct farm_options farm = {.force = options->force, .resume = options->resume};
    struct rank_outcome outcome = {0};
    bool ok = rank_run(&spec, &farm, &outcome, error);
    if (ok) print_outcome(options, &spec, &outcome.ranking);
    rank_outcome_free(&outcome);
    spec_free(&spec);
    return ok;
}

const struct command command_rank = {
    .name = "rank",
    .bit = COMMAND_RANK,
    .words = "SPEC",
    .needed = "one SPEC",
    .minimum = 1,
    .maximum = 1,
    .summary = "how well a supernet's rating agrees with training architectures alone",
    .description = "Draws rank.architectures architectures (0: takes all of a small space), trains "
                   "each alone with rank.seeds seeds, rates them with the supernets of "
                   "rank.strategies, and says the rank correlations with confidence intervals. "
                   "With no strategies it makes a table of the space.",
    .example = "tamis rank search/compare_tiny.yaml --set rank.architectures=8",
    .is_long = true,
    .run = run_rank,
};
