/* Which groups of an integer network follow each other row by row. */
#include "eval/integer_groups_private.h"

/* A band is at least so many times as high as the rows beyond it that are made for it. */
enum { LEAST_SHARE = 8 };

/* Rows below and above its own that the step needs of an input; false where it takes other rows
 * than those around its own. */
static bool find_reach(const struct integer_step *step, int *reach) {
    *reach = 0;
    if (integer_step_is_local(step)) return true;
    *reach = step->pad_h;
    return step->stride == 1 && 2 * step->pad_h == step->dilation * (step->kernel_h - 1);
}

static bool has_same_size(const struct grouping *grouping, int group, int other) {
    const struct integer_program *program = grouping->program;
    const struct integer_group *items = grouping->groups->items;
    const struct integer_plane *a = &grouping->planes[program->steps[items[group].steps[0]].output];
    const struct integer_plane *b = &grouping->planes[program->steps[items[other].steps[0]].output];
    return a->width == b->width && a->height == b->height;
}

/* The lag of a group that would be the next of the chain; false where it cannot follow. */
static bool find_lag(const struct grouping *grouping, const struct integer_chain *chain, int index,
                     int *lag) {
    const struct integer_groups *groups = grouping->groups;
    const struct integer_group *group = &groups->items[index];
    if (!group->piece || !has_same_size(grouping, index, chain->first)) return false;
    *lag = chain->halo;
    for (int i = 0; i < group->count; i++) {
        const struct integer_step *step = &grouping->program->steps[group->steps[i]];
        for (int k = 0; k < step->input_count; k++) {
            int made = groups->made[step->inputs[k]], reach;
            if (made < chain->first || made == index) continue;
            if (!find_reach(step, &reach)) return false;
            if (groups->items[made].lag + reach > *lag) *lag = groups->items[made].lag + reach;
        }
    }
    return true;
}

static void find_chains(const struct grouping *grouping, int threads) {
    struct integer_groups *groups = grouping->groups;
    for (int g = 0; g < groups->count;) {
        struct integer_chain *chain = &groups->chains[groups->chain_count];
        *chain = (struct integer_chain){.first = g, .count = 1};
        groups->chain_of[g++] = groups->chain_count;
        int first_step = groups->items[chain->first].steps[0], lag;
        int height = grouping->planes[grouping->program->steps[first_step].output].height;
        while (g < groups->count && groups->items[chain->first].piece &&
               find_lag(grouping, chain, g, &lag) && LEAST_SHARE * lag <= height / threads) {
            groups->items[g].lag = chain->halo = lag;
            groups->chain_of[g++] = groups->chain_count;
            chain->count++;
        }
        groups->chain_count++;
    }
}

/* The delays of a chain's groups: all rows that a block reads are made when its turn comes. How far
 * the first rows of two groups are apart is at most the difference of their lags: the image may
 * end. */
static void find_delays(const struct grouping *grouping, struct integer_chain *chain) {
    const struct integer_groups *groups = grouping->groups;
    chain->rows = 1;
    for (int g = chain->first; g < chain->first + chain->count; g++)
        if (groups->items[g].has_blocks) chain->rows = INTEGER_WINOGRAD_OUT;
    for (int g = chain->first; g < chain->first + chain->count; g++) {
        struct integer_group *group = &groups->items[g];
        for (int i = 0; i < group->count; i++) {
            const struct integer_step *step = &grouping->program->steps[group->steps[i]];
            for (int k = 0; k < step->input_count; k++) {
                int made = groups->made[step->inputs[k]], reach;
                if (made < chain->first || made == g) continue;
                find_reach(step, &reach);
                const struct integer_group *other = &groups->items[made];
                int rows = group->lag - other->lag + reach;
                int delay = other->delay + (rows + chain->rows - 1) / chain->rows;
                if (delay > group->delay) group->delay = delay;
            }
        }
    }
}

/* What the reader, a step of group `index`, asks of its inputs. */
static void add_reader(const struct grouping *grouping, int index,
                       const struct integer_step *reader) {
    struct integer_groups *groups = grouping->groups;
    for (int k = 0; k < reader->input_count; k++) {
        int value = reader->inputs[k], made = groups->made[value], reach;
        groups->last[value] = index;
        if (made < 0 || made == index) continue;
        if (groups->chain_of[made] != groups->chain_of[index]) {
            groups->is_image[value] = true;
            continue;
        }
        find_reach(reader, &reach);
        int blocks = groups->items[index].delay - groups->items[made].delay + 1;
        int rows = blocks * groups->chains[groups->chain_of[index]].rows + reach;
        groups->is_followed[value] = true;
        if (rows > groups->ring_rows[value]) groups->ring_rows[value] = rows;
    }
}

void integer_chains_find(const struct grouping *grouping, int output, int threads) {
    struct integer_groups *groups = grouping->groups;
    const struct integer_program *program = grouping->program;
    find_chains(grouping, threads);
    for (int c = 0; c < groups->chain_count; c++)
        find_delays(grouping, &groups->chains[c]);
    for (int g = 0; g < groups->count; g++)
        for (int i = 0; i < groups->items[g].count; i++)
            add_reader(grouping, g, &program->steps[groups->items[g].steps[i]]);
    groups->last[output] = groups->count;
    groups->is_image[output] = true;
    for (int g = 0; g < groups->count; g++) {
        const struct integer_group *group = &groups->items[g];
        bool makes_more = group->lag < groups->chains[groups->chain_of[g]].halo;
        for (int i = 0; i < group->count; i++) {
            int value = program->steps[group->steps[i]].output;
            if (makes_more && groups->is_image[value] && !groups->is_followed[value])
                groups->ring_rows[value] = groups->chains[groups->chain_of[g]].rows;
        }
    }
}
