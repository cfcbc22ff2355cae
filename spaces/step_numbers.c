#include "spaces/step_numbers.h"
#include "spaces/expression.h"
#include <ctype.h>
#include <string.h>

bool is_number_choice(const struct yaml_node *value) {
    return value->kind == YAML_MAP && yaml_get(value, "choose");
}

static bool check_values(const struct yaml_node *values, struct error *error) {
    char found[80];
    if (values->kind != YAML_LIST || values->count == 0)
        return error_at(error, ERROR_SPEC, values->position,
                        "\"choose\" needs a list of values here, not %s",
                        values->kind == YAML_LIST ? "an empty one"
                                                  : yaml_describe(values, found, sizeof found));
    if (values->count > CHOICE_MAX_CANDIDATES)
        return error_at(error, ERROR_SPEC, values->position,
                        "\"choose\" has %d values; at most %d are possible", values->count,
                        CHOICE_MAX_CANDIDATES);
    for (int i = 0; i < values->count; i++) {
        const struct yaml_node *item = values->items[i];
        if (item->kind == YAML_MAP || item->kind == YAML_NULL)
            return error_at(error, ERROR_SPEC, item->position, "a value to choose cannot be %s",
                            yaml_describe(item, found, sizeof found));
        for (int j = 0; j < i && item->kind == YAML_SCALAR; j++)
            if (values->items[j]->kind == YAML_SCALAR &&
                strcmp(values->items[j]->text, item->text) == 0)
                return error_at(error, ERROR_SPEC, item->position,
                                "the value %s stands twice among those to choose", item->text);
    }
    return true;
}

bool number_choice_read(const struct yaml_node *node, struct number_choice *choice,
                        struct error *error) {
    static const char *const keys[] = {"choose", "tie"};
    *choice = (struct number_choice){.position = node->position};
    if (!yaml_check_keys(node, "a choice of values", keys, 2, error)) return false;
    const struct yaml_node *tie = yaml_get(node, "tie");
    if (tie && !step_read_tie(tie, &choice->tie, error)) return false;
    choice->values = yaml_get(node, "choose");
    return check_values(choice->values, error);
}

bool number_choice_check_expressions(const struct number_choice *choice, const char *key,
                                     struct error *error) {
    bool good = true;
    for (int i = 0; i < choice->values->count; i++) {
        const struct yaml_node *item = choice->values->items[i];
        if (item->kind != YAML_SCALAR)
            good = error_at(error, ERROR_SPEC, item->position,
                            "\"%s\" must be a number or an expression", key);
        else if (!expression_check(item->text, item->position, error))
            good = false;
    }
    return good;
}

/* Keys of an operation or block whose values are chosen by a candidate for each. */
static bool is_searched(const struct step *step, const char *key) {
    static const char *const others[] = {"from", "name", "out"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(key, others[i]) == 0) return false;
    return strcmp(key, "bits") != 0 || step->kind == STEP_BLOCK;
}

bool step_has_number_choice(const struct step *step, const struct yaml_node *map) {
    if (step->kind != STEP_OPERATION && step->kind != STEP_BLOCK) return false;
    for (int i = 0; map->kind == YAML_MAP && i < map->count; i++)
        if (is_searched(step, map->keys[i]->text) && is_number_choice(map->items[i])) return true;
    return false;
}

/* A chosen value as a part of a name: "3", "5x1", "2w" for "2*w". */
static const char *value_text(struct arena *arena, const struct yaml_node *value) {
    if (value->kind == YAML_LIST) {
        const char *text = "";
        for (int i = 0; i < value->count; i++)
            text = arena_format(arena, "%s%s%s", text, i ? "x" : "",
                                value_text(arena, value->items[i]));
        return text;
    }
    char *text = arena_copy(arena, value->text ? value->text : ""), *to = text;
    for (const char *from = text; *from; from++) {
        if (*from == '*' || *from == ' ') continue;
        *to++ = isalnum((unsigned char)*from) ? *from : '_';
    }
    *to = '\0';
    return text;
}

/* Candidates are called by the kernel, groups and dilation anyway (candidate_name.c). */
static bool is_in_name(const char *key) {
    return strcmp(key, "kernel") == 0 || strcmp(key, "groups") == 0 || strcmp(key, "dilation") == 0;
}

/* The map of the step's own keys with one value for each choice; `which` counts through all. A
 * choice of width is that of all candidates together. */
static struct yaml_node *one_combination(struct template *template, struct step *step,
                                         const struct yaml_node *map, int which,
                                         const char **suffix) {
    bool is_first = which == 0;
    struct arena *arena = &template->arena;
    struct yaml_node *own = arena_allocate(arena, sizeof *own);
    *own = *map;
    own->keys = arena_allocate(arena, (size_t)map->count * sizeof *own->keys);
    own->items = arena_allocate(arena, (size_t)map->count * sizeof *own->items);
    own->count = 0;
    for (int i = 0; i < map->count; i++) {
        const char *key = map->keys[i]->text;
        struct yaml_node *item = map->items[i];
        bool is_of_choice = strcmp(key, "name") == 0 || strcmp(key, "from") == 0 ||
                            (strcmp(key, "bits") == 0 && step->bits);
        if (is_of_choice) continue;
        if (strcmp(key, "out") == 0 && is_number_choice(item)) {
            if (is_first)
                step->arguments[step->argument_count++] =
                    (struct step_argument){key, map->keys[i]->position, item};
            continue;
        }
        if (is_searched(step, key) && is_number_choice(item)) {
            const struct yaml_node *values = yaml_get(item, "choose");
            item = values->items[which % values->count];
            which /= values->count;
            bool is_plain =
                item->kind == YAML_LIST || strspn(item->text, "0123456789") == strlen(item->text);
            if (!is_in_name(key) || !is_plain)
                *suffix = arena_format(arena, "%s_%s%s", *suffix, key, value_text(arena, item));
        }
        own->keys[own->count] = map->keys[i];
        own->items[own->count++] = item;
    }
    return own;
}

static struct yaml_node *as_step(struct template *template, const struct yaml_node *word,
                                 struct yaml_node *map) {
    struct arena *arena = &template->arena;
    struct yaml_node *node = arena_allocate(arena, sizeof *node);
    struct yaml_node *key = arena_allocate(arena, sizeof *key);
    *key = *word;
    node->kind = YAML_MAP;
    node->position = word->position;
    node->count = 1;
    node->keys = arena_allocate(arena, sizeof *node->keys);
    node->items = arena_allocate(arena, sizeof *node->items);
    node->keys[0] = key;
    node->items[0] = map;
    return node;
}

/* Number of combinations of all choices of the step, and its tie; 0 after an error. */
static int count_combinations(struct step *step, const struct yaml_node *map, struct error *error) {
    long count = 1;
    int choices = 0;
    for (int i = 0; i < map->count; i++) {
        struct number_choice choice;
        if (!is_searched(step, map->keys[i]->text) || !is_number_choice(map->items[i])) continue;
        if (!number_choice_read(map->items[i], &choice, error)) return 0;
        count *= choice.values->count;
        if (choice.tie.name) step->tie = choice.tie;
        if (++choices > 1 && step->tie.name) {
            error_at(error, ERROR_SPEC, map->items[i]->position,
                     "only one value of \"%s\" can be chosen when its choice is tied", step->word);
            return 0;
        }
        if (count > CHOICE_MAX_CANDIDATES) {
            error_at(error, ERROR_SPEC, map->items[i]->position,
                     "the choices of \"%s\" have more than %d combinations", step->word,
                     CHOICE_MAX_CANDIDATES);
            return 0;
        }
    }
    return (int)count;
}

bool step_read_number_choice(struct template *template, struct step *step,
                             const struct yaml_node *word, const struct yaml_node *map,
                             struct error *error) {
    int count = count_combinations(step, map, error);
    if (count == 0) return false;
    /* Several widths belong to the slot; one is the convolution's own. */
    const struct yaml_node *bits = step->is_convolution ? yaml_get(map, "bits") : NULL;
    bool is_one = bits && bits->kind == YAML_SCALAR && strcmp(bits->text, "search") != 0;
    bool is_search = bits && bits->kind == YAML_SCALAR && !is_one;
    step->bits = is_one || is_search ? NULL : bits;
    struct step_list *list = arena_allocate(&template->arena, sizeof *list);
    list->items = arena_allocate(&template->arena, (size_t)count * sizeof *list->items);
    list->position = step->position;
    for (int i = 0; i < count; i++) {
        const char *suffix = "";
        struct yaml_node *own = one_combination(template, step, map, i, &suffix);
        struct step *candidate = step_read(template, as_step(template, word, own), error);
        if (!candidate) return false;
        if (is_search) candidate->bits = NULL;
        candidate->suffix = suffix;
        /* They are one step of the file: what is wrong with all of them is said once. */
        if (i > 0) candidate->id = list->items[0]->id;
        list->items[list->count++] = candidate;
    }
    step->kind = STEP_CHOOSE;
    step->is_of_numbers = true;
    step->is_convolution = false;
    step->op = NULL;
    step->block = NULL;
    step->candidates = list;
    return candidate_names_set(template, list, error);
}
