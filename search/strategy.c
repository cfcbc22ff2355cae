#include "search/strategy.h"
#include <string.h>

const struct strategy *const strategy_table[] = {
    &strategy_darts,
    &strategy_drnas,
    &strategy_edmips,
    &strategy_gdas,
    &strategy_local_search,
    &strategy_nsga2,
    &strategy_pc_darts,
    &strategy_quantnas,
    &strategy_random,
    &strategy_regularized_evolution,
    &strategy_rs_ws,
    &strategy_sharp_darts,
    &strategy_snas,
    &strategy_spos,
    &strategy_successive_halving,
};
const int strategy_count = (int)(sizeof strategy_table / sizeof strategy_table[0]);

const struct strategy *strategy_find(const char *name) {
    for (int i = 0; i < strategy_count; i++)
        if (strcmp(strategy_table[i]->name, name) == 0) return strategy_table[i];
    return NULL;
}

bool strategy_check(const struct search *search, struct error *error) {
    const struct strategy *strategy = strategy_find(search->spec->search.strategy);
    return !strategy->suits || strategy->suits(search, error);
}

bool strategy_ended_early(const struct search *search, const char *missing, const char *less,
                          struct error *error) {
    return error_at(error, ERROR_FAILED, spec_position(search->spec, search->budget),
                    "%s ended the %s search before %s; give it more, or fewer %s", search->budget,
                    search->spec->search.strategy, missing, less);
}
