#include "spaces/step_numbers.h"
#include "spaces/walk.h"
#include <string.h>

/* --- Names --------------------------------------------------------------------------------------
 */

static bool later_step_has_name(const struct scope *scope, const char *name, int *line) {
    for (; scope; scope = scope->outer) {
        for (int i = scope->at; i < scope->list->count; i++) {
            const struct step *step = scope->list->items[i];
            if ((step->name && strcmp(step->name, name) == 0) ||
                (step->collect && strcmp(step->collect, name) == 0)) {
                *line = step->position.line;
                return true;
            }
        }
    }
    return false;
}

static bool report_unknown_from(struct walk *walk, const struct scope *scope,
                                const struct step *step, const struct yaml_node *from) {
    struct error *error = walk_error(walk, step);
    const char *name = from->text;
    int line;
    if ((step->name && strcmp(step->name, name) == 0) ||
        (step->collect && strcmp(step->collect, name) == 0))
        return error_at(error, ERROR_SPEC, from->position,
                        "a cycle: \"%s\" takes its own output as input", name);
    if (later_step_has_name(scope, name, &line))
        return error_at(error, ERROR_SPEC, from->position,
                        "a cycle: \"%s\" is a later step (line %d), and a step can only take what "
                        "steps before it give",
                        name, line);
    enum { MAX_WORDS = 128 };
    const char *words[MAX_WORDS] = {"input", "previous"};
    size_t count = 2;
    for (const struct scope *at = scope; at; at = at->outer)
        for (int i = 0; i < at->name_count && count < MAX_WORDS; i++)
            words[count++] = at->names[i].name;
    const char *nearest = error_nearest(name, words, count);
    if (nearest)
        return error_at(error, ERROR_SPEC, from->position,
                        "no step here has the name \"%s\"; did you mean \"%s\"?", name, nearest);
    return error_at(error, ERROR_SPEC, from->position, "no step here has the name \"%s\"", name);
}

static const struct named_values *find_values(const struct scope *scope, const char *name) {
    for (; scope; scope = scope->outer) {
        int index = name_index_find(&scope->index, name);
        if (index >= 0) return &scope->names[index];
    }
    return NULL;
}

/* What a name of `from` stands for; `one` has room for what is a single value. NULL after an error.
 */
static const struct named_values *find_from(struct walk *walk, const struct scope *scope,
                                            const struct step *step, const struct yaml_node *from,
                                            struct named_values *one) {
    one->count = 1;
    if (strcmp(from->text, "input") == 0) {
        one->values[0] = scope->input;
        return one;
    }
    if (strcmp(from->text, "previous") == 0) {
        one->values[0] = scope->previous;
        return one;
    }
    const struct named_values *found = find_values(scope, from->text);
    if (!found) report_unknown_from(walk, scope, step, from);
    return found;
}

/* --- Connections that are chosen ----------------------------------------------------------------
 */

static bool is_none(const struct yaml_node *name) {
    return strcmp(name->text, "none") == 0;
}

/* The value of each candidate, -1 for none; false after an error. */
static bool find_sources(struct walk *walk, const struct scope *scope, const struct step *step,
                         const struct yaml_node *list, int *sources) {
    bool good = true;
    for (int i = 0; i < list->count; i++) {
        int value;
        struct named_values one = {NULL, &value, 1};
        sources[i] = -1;
        if (is_none(list->items[i])) continue;
        const struct named_values *found = find_from(walk, scope, step, list->items[i], &one);
        if (found && found->count != 1) {
            error_at(
                walk_error(walk, step), ERROR_SPEC, list->items[i]->position,
                "a connection that is chosen takes the output of one step, but \"%s\" collects "
                "%d",
                list->items[i]->text, found->count);
            found = NULL;
        }
        if (found) sources[i] = found->values[0];
        good = good && found && sources[i] >= 0;
    }
    return good;
}

/* Zeros of the size of the first real source, where nothing is connected. */
static int source_value(struct walk *walk, const struct step *step, const char *path,
                        const int *sources, int index) {
    if (sources[index] >= 0) return sources[index];
    int like = sources[0] >= 0 ? sources[0] : sources[1];
    const char *name = arena_format(&walk->arena, "%s.none", path);
    return walk_node(walk, step, name, "zero", NULL, NULL, 0, &like, 1);
}

static bool check_sources(struct walk *walk, const struct step *step, const struct yaml_node *list,
                          const int *values) {
    const struct graph *graph = walk->network->graph;
    struct shape wanted = graph->values[values[0]].shape;
    for (int i = 1; i < list->count; i++) {
        struct shape shape = graph->values[values[i]].shape;
        if (shape_equal(shape, wanted)) continue;
        error_at(
            walk_error(walk, step), ERROR_SPEC, list->items[i]->position,
            "the connections to choose do not fit together: \"%s\" has %d channels of %d x %d, "
            "but \"%s\" %d of %d x %d",
            list->items[0]->text, wanted.c, wanted.h, wanted.w, list->items[i]->text, shape.c,
            shape.h, shape.w);
        walk_fail(walk, step);
        return false;
    }
    return true;
}

static int mix_sources(struct walk *walk, const struct step *step, const char *path,
                       const struct yaml_node *list, int slot, const int *sources) {
    if (walk_probabilities(walk, step, slot) < 0) return -1;
    struct graph *graph = walk->network->graph;
    int last = graph->current_branch;
    int *values = arena_allocate(&walk->arena, (size_t)list->count * sizeof *values);
    for (int i = 0; i < list->count; i++) {
        int branch = walk_branch(walk, CHOICE_CONNECTION, slot, i);
        const char *name = arena_format(&walk->arena, "%s.%s", path, list->items[i]->text);
        values[i] = source_value(walk, step, path, sources, i);
        if (values[i] >= 0) values[i] = walk_end_branch(walk, step, name, values[i], branch);
        graph_set_branch(graph, last);
        if (values[i] < 0) return -1;
    }
    return check_sources(walk, step, list, values) ? walk_mix(walk, step, path, slot, values) : -1;
}

/* The value of `from: {choose: [...]}`. */
static int connect(struct walk *walk, const struct scope *scope, const struct step *step,
                   const char *path, const struct yaml_node *node) {
    struct number_choice choice;
    if (!number_choice_read(node, &choice, walk_error(walk, step))) return walk_fail(walk, step);
    const struct yaml_node *list = choice.values;
    size_t count = (size_t)list->count;
    int *sources = arena_allocate(&walk->arena, count * sizeof *sources);
    const char **names = arena_allocate(&walk->arena, count * sizeof *names);
    bool *is_open = arena_allocate(&walk->arena, count * sizeof *is_open);
    if (!find_sources(walk, scope, step, list, sources)) return walk_fail(walk, step);
    for (int i = 0; i < list->count; i++)
        names[i] = list->items[i]->text;
    struct slot_request request = {.step = step,
                                   .path = path,
                                   .names = names,
                                   .is_open = is_open,
                                   .count = list->count,
                                   .tie = walk_tie(walk, &choice.tie)};
    int slot = walk_slot(walk, &request);
    if (slot < 0) return -1;
    int chosen = walk_chosen(walk, slot);
    return chosen < 0 ? mix_sources(walk, step, path, list, slot, sources)
                      : source_value(walk, step, path, sources, chosen);
}

/* --- All inputs of a step -----------------------------------------------------------------------
 */

const int *walk_inputs(struct walk *walk, const struct scope *scope, const struct step *step,
                       const char *path, const int *fallback, int fallback_count, int *count) {
    if (step->from_count == 0) {
        *count = fallback_count;
        return fallback;
    }
    int *values = NULL;
    size_t length = 0, capacity = 0;
    bool good = true;
    for (int i = 0; i < step->from_count; i++) {
        const struct yaml_node *from = step->from[i];
        int value;
        struct named_values one = {NULL, &value, 1};
        const struct named_values *found = &one;
        if (is_number_choice(from)) {
            const char *slot = i == 0 ? arena_format(&walk->arena, "%s.from", path)
                                      : arena_format(&walk->arena, "%s.from%d", path, i + 1);
            value = connect(walk, scope, step, slot, from);
            if (value < 0) good = false;
        } else if (!(found = find_from(walk, scope, step, from, &one))) {
            good = false;
            continue;
        }
        for (int j = 0; j < found->count; j++) {
            memory_grow(values, length, capacity);
            values[length++] = found->values[j];
        }
    }
    int *kept = arena_allocate(&walk->arena, (length + 1) * sizeof *kept);
    if (length > 0) memcpy(kept, values, length * sizeof *kept);
    memory_free(values);
    *count = (int)length;
    if (good) return kept;
    walk_fail(walk, step);
    return NULL;
}
