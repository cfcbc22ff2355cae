#include "spaces/template.h"
#include <ctype.h>
#include <string.h>

static const struct yaml_node *argument_value(const struct step *step, const char *key) {
    for (int i = 0; i < step->argument_count; i++)
        if (strcmp(step->arguments[i].key, key) == 0) return step->arguments[i].value;
    return NULL;
}

static bool is_number(const struct yaml_node *node) {
    if (!node || node->kind != YAML_SCALAR) return false;
    for (const char *at = node->text; *at; at++)
        if (!isdigit((unsigned char)*at)) return false;
    return true;
}

/* conv3, conv5x1, conv3_g2, conv3_d2, repeat4; sizes that are expressions are left out. */
static const char *readable_name(struct template *template, const struct step *step) {
    struct arena *arena = &template->arena;
    const char *name = step->word;
    const struct yaml_node *kernel = argument_value(step, "kernel");
    if (is_number(kernel))
        name = arena_format(arena, "%s%s", name, kernel->text);
    else if (kernel && kernel->kind == YAML_LIST && kernel->count == 2 &&
             is_number(kernel->items[0]) && is_number(kernel->items[1]))
        name = arena_format(arena, "%s%sx%s", name, kernel->items[0]->text, kernel->items[1]->text);
    static const struct {
        const char *key, *mark;
    } marks[] = {{"groups", "_g"}, {"dilation", "_d"}};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        const struct yaml_node *value = argument_value(step, marks[i].key);
        if (is_number(value) && strcmp(value->text, "1") != 0)
            name = arena_format(arena, "%s%s%s", name, marks[i].mark, value->text);
    }
    if (step->kind == STEP_REPEAT && is_number(step->times))
        name = arena_format(arena, "%s%s", name, step->times->text);
    return step->suffix ? arena_format(arena, "%s%s", name, step->suffix) : name;
}

static bool is_taken(const struct step_list *candidates, int but, const char *name) {
    for (int i = 0; i < candidates->count; i++) {
        const char *other = candidates->items[i]->candidate_name;
        if (i != but && other && strcmp(other, name) == 0) return true;
    }
    return false;
}

bool candidate_names_set(struct template *template, struct step_list *candidates,
                         struct error *error) {
    bool good = true;
    for (int i = 0; i < candidates->count; i++) {
        struct step *step = candidates->items[i];
        if (!step->name) continue;
        if (is_taken(candidates, i, step->name))
            good = error_at(error, ERROR_SPEC, step->name_position,
                            "two candidates have the name \"%s\"", step->name);
        step->candidate_name = step->name;
    }
    for (int i = 0; i < candidates->count; i++) {
        struct step *step = candidates->items[i];
        if (step->name) continue;
        const char *base = readable_name(template, step), *name = base;
        for (int number = 2; is_taken(candidates, i, name); number++)
            name = arena_format(&template->arena, "%s_%d", base, number);
        step->candidate_name = name;
    }
    return good;
}
