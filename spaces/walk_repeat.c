#include "spaces/step_numbers.h"
#include "spaces/walk.h"
#include <stdio.h>

/* How often: one number, or a slot with one for each of its candidates. */
struct times {
    int slot; /* -1: one number */
    const long *values;
    int count;
};

static bool read_times(struct walk *walk, const struct scope *scope, const struct step *step,
                       const struct yaml_node *node, long *times) {
    struct error *error = walk_error(walk, step);
    if (!expression_evaluate_integer(node->text, node->position, scope->environment, times, error))
        return false;
    if (*times >= 0 && *times <= WALK_MAX_TIMES) return true;
    return error_at(error, ERROR_SPEC, node->position,
                    "\"times\" is %ld, but must be between 0 and %d", *times, WALK_MAX_TIMES);
}

static bool read_depths(struct walk *walk, const struct scope *scope, const struct step *step,
                        const char *path, struct times *times) {
    const struct yaml_node *list = yaml_get(step->times, "choose");
    size_t count = (size_t)list->count;
    long *values = arena_allocate(&walk->arena, count * sizeof *values);
    const char **names = arena_allocate(&walk->arena, count * sizeof *names);
    bool *is_open = arena_allocate(&walk->arena, count * sizeof *is_open);
    for (int i = 0; i < list->count; i++) {
        if (!read_times(walk, scope, step, list->items[i], &values[i])) return false;
        if (i > 0 && values[i] <= values[i - 1])
            return error_at(walk_error(walk, step), ERROR_SPEC, list->items[i]->position,
                            "depths to choose must rise, but %ld stands after %ld", values[i],
                            values[i - 1]);
        names[i] = arena_format(&walk->arena, "%ld", values[i]);
    }
    struct slot_request request = {.step = step,
                                   .path = arena_format(&walk->arena, "%s.times", path),
                                   .names = names,
                                   .is_open = is_open,
                                   .count = list->count,
                                   .tie = walk_tie(walk, &step->tie)};
    *times = (struct times){walk_slot(walk, &request), values, list->count};
    return times->slot >= 0;
}

/* Repetition `index` of the step; its output. */
static int repeat_once(struct walk *walk, const struct scope *scope, const struct step *step,
                       const char *path, long index, int input, const struct defaults *defaults) {
    const struct step *repeated = step->body->items[0];
    struct scope inside = *scope;
    const char *outer = walk->repeat_path;
    const char *item_path = arena_format(&walk->arena, "%s.%ld", path, index);
    walk->repeat_path = arena_format(&walk->arena, "%s.", item_path);
    inside.previous = input;
    int count;
    const int *inputs = walk_inputs(walk, &inside, repeated, item_path, &input, 1, &count);
    int value =
        inputs ? walk_step(walk, &inside, repeated, item_path, inputs, count, defaults) : -1;
    walk->repeat_path = outer;
    return value;
}

static int repeat_fixed(struct walk *walk, struct scope *scope, const struct step *step,
                        const char *path, long times, int input, const struct defaults *defaults) {
    int *outputs = arena_allocate(&walk->arena, (size_t)(times + 1) * sizeof *outputs);
    int value = input;
    for (long i = 0; i < times && !walk->stopped; i++)
        outputs[i] = value = repeat_once(walk, scope, step, path, i, value, defaults);
    if (step->collect) walk_name_values(walk, scope, step->collect, outputs, (int)times);
    return value;
}

static bool check_exits(struct walk *walk, const struct step *step, const struct times *times,
                        const int *exits) {
    const struct graph *graph = walk->network->graph;
    for (int i = 0; i < times->count; i++)
        if (exits[i] < 0) return false;
    struct shape wanted = graph->values[exits[0]].shape;
    for (int i = 1; i < times->count; i++) {
        struct shape shape = graph->values[exits[i]].shape;
        if (shape_equal(shape, wanted)) continue;
        error_at(walk_error(walk, step), ERROR_SPEC, step->times->position,
                 "the depths do not fit together: %ld repetitions give %d channels of %d x %d, but "
                 "%ld %d of %d x %d",
                 times->values[0], wanted.c, wanted.h, wanted.w, times->values[i], shape.c, shape.h,
                 shape.w);
        walk_fail(walk, step);
        return false;
    }
    return true;
}

/* All repetitions up to the deepest, once, and the mixture of what comes out after each depth. */
static int repeat_all(struct walk *walk, struct scope *scope, const struct step *step,
                      const char *path, const struct times *times, int input,
                      const struct defaults *defaults) {
    if (walk_probabilities(walk, step, times->slot) < 0) return -1;
    struct graph *graph = walk->network->graph;
    struct place outside = walk->place;
    int last = graph->current_branch;
    int *exits = arena_allocate(&walk->arena, (size_t)times->count * sizeof *exits);
    int value = input, next = 0;
    for (long i = 0; next < times->count && !walk->stopped; i++) {
        if (times->values[next] == i) {
            int branch = walk_branch(walk, CHOICE_DEPTH, times->slot, next);
            const char *name = arena_format(&walk->arena, "%s.after%ld", path, i);
            exits[next++] = value < 0 ? -1 : walk_end_branch(walk, step, name, value, branch);
            graph_set_branch(graph, last);
        }
        if (next == times->count) break;
        /* This repetition is there for the depths that are not reached yet. */
        if (next > 0) walk_enter(walk, times->slot, next, times->count - 1);
        value = repeat_once(walk, scope, step, path, i, value, defaults);
        walk->place = outside;
    }
    if (walk->stopped || !check_exits(walk, step, times, exits)) return -1;
    return walk_mix(walk, step, path, times->slot, exits);
}

int walk_repeat(struct walk *walk, struct scope *scope, const struct step *step, const char *path,
                int input, const struct defaults *defaults) {
    if (!is_number_choice(step->times)) {
        long times;
        if (!read_times(walk, scope, step, step->times, &times)) return walk_fail(walk, step);
        return repeat_fixed(walk, scope, step, path, times, input, defaults);
    }
    struct times times = {0};
    if (!read_depths(walk, scope, step, path, &times)) return walk_fail(walk, step);
    int chosen = walk_chosen(walk, times.slot);
    if (chosen < 0) return repeat_all(walk, scope, step, path, &times, input, defaults);
    return repeat_fixed(walk, scope, step, path, times.values[chosen], input, defaults);
}
