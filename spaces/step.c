#include "spaces/attributes.h"
#include "spaces/step_labels.h"
#include "spaces/step_numbers.h"
#include "spaces/template.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { MAX_WORDS = 256 };

static bool is_step_name(const char *text) {
    if (*text == '\0') return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '_') return false;
    return true;
}

static bool read_name(const struct yaml_node *node, const char **name, struct error *error) {
    const char *text;
    if (!yaml_to_string(node, &text, error)) return false;
    if (!is_step_name(text))
        return error_at(error, ERROR_SPEC, node->position,
                        "\"%s\" cannot be a name: names have letters, digits and underscores only",
                        text);
    if (strcmp(text, "input") == 0 || strcmp(text, "previous") == 0)
        return error_at(error, ERROR_SPEC, node->position,
                        "\"%s\" cannot be a name: it has a meaning of its own", text);
    *name = text;
    return true;
}

bool step_read_tie(const struct yaml_node *node, struct tie *tie, struct error *error) {
    static const struct {
        const char *prefix;
        enum tie_scope scope;
    } scopes[] = {{"block.", TIE_BLOCK}, {"repeat.", TIE_REPEAT}};
    const char *text;
    if (!yaml_to_string(node, &text, error)) return false;
    *tie = (struct tie){text, TIE_NETWORK};
    for (size_t i = 0; i < sizeof scopes / sizeof scopes[0]; i++)
        if (strncmp(text, scopes[i].prefix, strlen(scopes[i].prefix)) == 0)
            *tie = (struct tie){text + strlen(scopes[i].prefix), scopes[i].scope};
    if (is_step_name(tie->name)) return true;
    return error_at(
        error, ERROR_SPEC, node->position,
        "\"%s\" cannot be what choices are tied by: write a name of letters, digits and "
        "underscores, or one after \"block.\" or \"repeat.\"",
        text);
}

/* `{choose: [a, b, none]}`: one input that is chosen. */
static bool check_connection(const struct yaml_node *node, struct error *error) {
    struct number_choice choice;
    if (!number_choice_read(node, &choice, error)) return false;
    char found[80];
    int real = 0;
    for (int i = 0; i < choice.values->count; i++) {
        const struct yaml_node *item = choice.values->items[i];
        if (item->kind != YAML_SCALAR)
            return error_at(error, ERROR_SPEC, item->position,
                            "a connection to choose must be a name, not %s",
                            yaml_describe(item, found, sizeof found));
        real += strcmp(item->text, "none") != 0;
    }
    return real > 0 || error_at(error, ERROR_SPEC, choice.values->position,
                                "one of the connections to choose must be a step, not \"none\"");
}

static bool read_from(struct template *template, struct step *step, const struct yaml_node *node,
                      struct error *error) {
    char found[80];
    int count = node->kind == YAML_LIST ? node->count : 1;
    bool is_one = node->kind == YAML_SCALAR || is_number_choice(node);
    if (count == 0 || (!is_one && node->kind != YAML_LIST))
        return error_at(
            error, ERROR_SPEC, node->position, "\"from\" must be a name or a list of names, not %s",
            node->kind == YAML_LIST ? "an empty list" : yaml_describe(node, found, sizeof found));
    step->from = arena_allocate(&template->arena, (size_t)count * sizeof *step->from);
    bool good = true;
    for (int i = 0; i < count; i++) {
        const struct yaml_node *item = node->kind == YAML_LIST ? node->items[i] : node;
        if (item->kind == YAML_SCALAR) {
            step->from[step->from_count++] = item;
        } else if (is_number_choice(item)) {
            step->from[step->from_count++] = item;
            good = check_connection(item, error) && good;
        } else {
            good = error_at(error, ERROR_SPEC, item->position,
                            "\"from\" must be a name or a list of names, not %s",
                            yaml_describe(item, found, sizeof found));
        }
    }
    return good;
}

bool step_read_common(struct template *template, struct step *step, const char *key,
                      const struct yaml_node *value, bool *good, struct error *error) {
    if (strcmp(key, "name") == 0) {
        step->name_position = value->position;
        if (!read_name(value, &step->name, error)) *good = false;
        return true;
    }
    if (strcmp(key, "from") == 0) {
        if (!read_from(template, step, value, error)) *good = false;
        return true;
    }
    return false;
}

static void add_argument(struct step *step, const struct yaml_node *key,
                         const struct yaml_node *value) {
    step->arguments[step->argument_count++] =
        (struct step_argument){key->text, key->position, value};
}

static bool unknown_key(const struct step *step, const struct yaml_node *key,
                        const char *const *words, int count, struct error *error) {
    const char *nearest = error_nearest(key->text, words, (size_t)count);
    if (nearest)
        return error_at(error, ERROR_SPEC, key->position,
                        "unknown key \"%s\" of \"%s\"; did you mean \"%s\"?", key->text, step->word,
                        nearest);
    return error_at(error, ERROR_SPEC, key->position, "unknown key \"%s\" of \"%s\"", key->text,
                    step->word);
}

/* `out: {choose: [...]}` of what can have a chosen width. */
static bool is_chosen_out(const struct step *step, const struct yaml_node *key,
                          const struct yaml_node *value) {
    bool can_have = step->op->channels == OP_CHANNELS_WEIGHTED || strcmp(step->word, "zero") == 0;
    return can_have && strcmp(key->text, "out") == 0 && is_number_choice(value) &&
           op_attribute_index(step->op, "out") >= 0;
}

static bool check_chosen_out(const struct yaml_node *value, struct error *error) {
    struct number_choice choice;
    if (!number_choice_read(value, &choice, error)) return false;
    return number_choice_check_expressions(&choice, "out", error);
}

/* `branches: [point, identity]` of a convolution. */
static bool read_branches(struct step *step, const struct yaml_node *node, struct error *error) {
    static const char *const words[] = {"point", "edges", "expand", "identity"};
    char found[80];
    step->branches_position = node->position;
    if (node->kind != YAML_LIST || node->count == 0)
        return error_at(error, ERROR_SPEC, node->position,
                        "\"branches\" must be a list of point, edges, expand and identity, not %s",
                        node->kind == YAML_LIST ? "an empty one"
                                                : yaml_describe(node, found, sizeof found));
    bool good = true;
    for (int i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        unsigned bit = 0;
        for (unsigned k = 0; k < 4 && item->kind == YAML_SCALAR; k++)
            if (strcmp(item->text, words[k]) == 0) bit = 1u << k;
        if (bit == 0)
            good = error_at(error, ERROR_SPEC, item->position,
                            "a branch must be point, edges, expand or identity, not %s",
                            yaml_describe(item, found, sizeof found));
        else if (step->branches & bit)
            good = error_at(error, ERROR_SPEC, item->position, "the branch \"%s\" is there twice",
                            item->text);
        step->branches |= bit;
    }
    return good;
}

static bool read_operation(struct template *template, struct step *step,
                           const struct yaml_node *value, struct error *error) {
    static const char *const common[] = {"from", "name", "bits", "branches"};
    const bool can_branch = strcmp(step->word, "conv") == 0;
    bool good = true;
    for (int i = 0; i < value->count; i++) {
        const struct yaml_node *key = value->keys[i], *item = value->items[i];
        int targets[ATTRIBUTE_MAX_TARGETS];
        if (is_chosen_out(step, key, item)) {
            add_argument(step, key, item);
            good = check_chosen_out(item, error) && good;
        } else if (attribute_targets(step->op, key->text, targets) > 0) {
            add_argument(step, key, item);
            if (!attribute_check(step->op, &step->arguments[step->argument_count - 1], error))
                good = false;
        } else if (step->is_convolution && strcmp(key->text, "bits") == 0) {
            step->bits = item;
        } else if (can_branch && strcmp(key->text, "branches") == 0) {
            good = read_branches(step, item, error) && good;
        } else if (!step_read_common(template, step, key->text, item, &good, error)) {
            const char *words[MAX_WORDS];
            int known = can_branch ? 4 : step->is_convolution ? 3 : 2;
            int count = attribute_words(step->op, common, known, words);
            good = unknown_key(step, key, words, count, error);
        }
    }
    return good;
}

static bool read_block_call(struct template *template, struct step *step,
                            const struct yaml_node *value, struct error *error) {
    bool good = true;
    for (int i = 0; i < value->count; i++) {
        const struct yaml_node *key = value->keys[i];
        const char *words[MAX_WORDS];
        int count = 0, index = -1;
        for (int j = 0; j < step->block->parameter_count; j++) {
            if (strcmp(step->block->parameters[j], key->text) == 0) index = j;
            words[count++] = step->block->parameters[j];
        }
        if (index >= 0) {
            add_argument(step, key, value->items[i]);
            if (is_number_choice(value->items[i]))
                good = check_chosen_out(value->items[i], error) && good;
        } else if (!step_read_common(template, step, key->text, value->items[i], &good, error)) {
            words[count++] = "from";
            words[count++] = "name";
            good = unknown_key(step, key, words, count, error);
        }
    }
    return good;
}

static bool read_sequence(struct template *template, struct step *step,
                          const struct yaml_node *value, struct error *error) {
    static const char *const words[] = {"do", "from", "name"};
    const struct yaml_node *body = value->kind == YAML_LIST ? value : NULL;
    bool good = true;
    for (int i = 0; value->kind == YAML_MAP && i < value->count; i++) {
        const char *key = value->keys[i]->text;
        if (strcmp(key, "do") == 0)
            body = value->items[i];
        else if (!step_read_common(template, step, key, value->items[i], &good, error))
            good = unknown_key(step, value->keys[i], words, 3, error);
    }
    if (!body) return error_at(error, ERROR_SPEC, step->position, "\"seq\" needs a list of steps");
    step->body = step_body_read(template, body, "\"seq\"", error);
    return step->body && good;
}

/* What `repeat` repeats: a list of steps, one step, or a block's name. */
static bool read_repeated(struct template *template, struct step *step,
                          const struct yaml_node *node, struct error *error) {
    struct step *repeated;
    if (node->kind == YAML_LIST) {
        repeated = arena_allocate(&template->arena, sizeof *repeated);
        repeated->id = template->step_count++;
        repeated->kind = STEP_SEQUENCE;
        repeated->word = "seq";
        repeated->position = node->position;
        repeated->body = step_body_read(template, node, "\"do\"", error);
        if (!repeated->body) return false;
    } else {
        repeated = step_read(template, node, error);
        if (!repeated) return false;
    }
    step->body = arena_allocate(&template->arena, sizeof *step->body);
    step->body->items = arena_allocate(&template->arena, sizeof *step->body->items);
    step->body->items[0] = repeated;
    step->body->count = 1;
    step->body->position = node->position;
    return true;
}

static bool check_times(struct step *step, struct error *error) {
    const struct yaml_node *times = step->times;
    struct number_choice choice;
    if (times->kind == YAML_SCALAR) return expression_check(times->text, times->position, error);
    if (!is_number_choice(times))
        return error_at(error, ERROR_SPEC, times->position,
                        "\"times\" must be a number or an expression");
    if (!number_choice_read(times, &choice, error)) return false;
    step->tie = choice.tie;
    bool good = number_choice_check_expressions(&choice, "times", error);
    if (step->collect)
        good = error_at(error, ERROR_SPEC, step->position,
                        "\"collect\" needs a fixed number of repetitions, but \"times\" is chosen");
    return good;
}

static bool read_repeat(struct template *template, struct step *step, const struct yaml_node *value,
                        struct error *error) {
    static const char *const words[] = {"times", "do", "collect", "from", "name"};
    const struct yaml_node *body = NULL;
    bool good = true;
    for (int i = 0; i < value->count; i++) {
        const char *key = value->keys[i]->text;
        const struct yaml_node *item = value->items[i];
        if (strcmp(key, "times") == 0) {
            step->times = item;
        } else if (strcmp(key, "do") == 0) {
            body = item;
        } else if (strcmp(key, "collect") == 0) {
            if (!read_name(item, &step->collect, error)) good = false;
        } else if (!step_read_common(template, step, key, item, &good, error)) {
            good = unknown_key(step, value->keys[i], words, 5, error);
        }
    }
    if (!step->times)
        good = error_at(error, ERROR_SPEC, step->position, "\"repeat\" needs \"times\"");
    else if (!check_times(step, error))
        good = false;
    if (!body)
        return error_at(error, ERROR_SPEC, step->position,
                        "\"repeat\" needs \"do\": a block, a step or a list of steps");
    return read_repeated(template, step, body, error) && good;
}

static bool read_candidates(struct template *template, struct step *step,
                            const struct yaml_node *among, struct error *error) {
    if (among->kind == YAML_SCALAR) {
        struct choice *choice = template_choice(template, among->text);
        if (choice) {
            if (!choice_read(template, choice, error))
                return error_at(error, ERROR_SPEC, among->position,
                                "the choice \"%s\" contains itself", choice->name);
            step->candidates = choice->candidates;
            return true; /* when the list itself is bad, that was said where it stands */
        }
        const char *words[MAX_WORDS];
        int count = 0;
        for (int i = 0; i < template->choice_count && count < MAX_WORDS; i++)
            words[count++] = template->choices[i].name;
        const char *nearest = error_nearest(among->text, words, (size_t)count);
        if (nearest)
            return error_at(error, ERROR_SPEC, among->position,
                            "there is no choice \"%s\"; did you mean \"%s\"?", among->text,
                            nearest);
        return error_at(error, ERROR_SPEC, among->position,
                        "there is no choice \"%s\" under \"choices\"", among->text);
    }
    step->candidates = candidate_list_read(template, among, "\"among\"", error);
    return step->candidates != NULL;
}

static bool check_default(const struct yaml_node *key, const struct yaml_node *value, bool *good,
                          struct error *error) {
    if (!is_number_choice(value)) return true;
    if (strcmp(key->text, "out") == 0) {
        *good = check_chosen_out(value, error) && *good;
        return true;
    }
    *good = error_at(error, ERROR_SPEC, key->position,
                     "\"%s\" cannot be chosen for all candidates together: write the choice in "
                     "each of them (only \"out\" can)",
                     key->text);
    return false;
}

static bool read_choose(struct template *template, struct step *step, const struct yaml_node *value,
                        struct error *error) {
    const struct yaml_node *among = NULL;
    bool good = true;
    for (int i = 0; i < value->count; i++) {
        const char *key = value->keys[i]->text;
        if (strcmp(key, "among") == 0)
            among = value->items[i];
        else if (strcmp(key, "bits") == 0)
            step->bits = value->items[i];
        else if (strcmp(key, "tie") == 0)
            good = step_read_tie(value->items[i], &step->tie, error) && good;
        else if (!step_read_common(template, step, key, value->items[i], &good, error) &&
                 check_default(value->keys[i], value->items[i], &good, error))
            add_argument(step, value->keys[i], value->items[i]);
    }
    if (!among)
        return error_at(
            error, ERROR_SPEC, step->position,
            "\"choose\" needs \"among\": a list of candidates, or the name of one under "
            "\"choices\"");
    return read_candidates(template, step, among, error) && good;
}

static bool unknown_word(const struct template *template, const struct yaml_node *word,
                         struct error *error) {
    const char *words[MAX_WORDS];
    int count = 0;
    for (int i = 0; i < op_table_count && count < MAX_WORDS; i++)
        if (op_table[i]->is_step) words[count++] = op_table[i]->name;
    for (int i = 0; i < template->block_count && count < MAX_WORDS; i++)
        words[count++] = template->blocks[i].name;
    static const char *const own[] = {"seq", "repeat", "choose"};
    for (int i = 0; i < 3 && count < MAX_WORDS; i++)
        words[count++] = own[i];
    const char *nearest = error_nearest(word->text, words, (size_t)count);
    if (nearest)
        return error_at(error, ERROR_SPEC, word->position,
                        "unknown operation \"%s\"; did you mean \"%s\"?", word->text, nearest);
    return error_at(error, ERROR_SPEC, word->position,
                    "unknown operation \"%s\"; \"tamis list ops\" shows all, and blocks are "
                    "defined under \"blocks\"",
                    word->text);
}

/* A step whose values are chosen: `name` and `from` are the choice's own. */
static bool read_numbers(struct template *template, struct step *step, const struct yaml_node *word,
                         const struct yaml_node *value, struct error *error) {
    bool good = true;
    for (int i = 0; i < value->count; i++)
        step_read_common(template, step, value->keys[i]->text, value->items[i], &good, error);
    return step_read_number_choice(template, step, word, value, error) && good;
}

static bool read_kind(struct template *template, struct step *step, const struct yaml_node *word,
                      const struct yaml_node *value, struct error *error) {
    char found[80];
    bool is_sequence = step->kind == STEP_SEQUENCE;
    if (value->kind != YAML_MAP && value->kind != YAML_NULL &&
        !(is_sequence && value->kind == YAML_LIST))
        return error_at(error, ERROR_SPEC, value->position,
                        "what belongs to \"%s\" must be a map such as {name: x}, not %s",
                        step->word, yaml_describe(value, found, sizeof found));
    step->arguments =
        arena_allocate(&template->arena, (size_t)value->count * sizeof *step->arguments);
    if (step_has_number_choice(step, value))
        return read_numbers(template, step, word, value, error);
    switch (step->kind) {
    case STEP_OPERATION:
        return read_operation(template, step, value, error);
    case STEP_SEQUENCE:
        return read_sequence(template, step, value, error);
    case STEP_REPEAT:
        return read_repeat(template, step, value, error);
    case STEP_CHOOSE:
        return read_choose(template, step, value, error);
    case STEP_BLOCK:
        return read_block_call(template, step, value, error);
    }
    return false;
}

struct step *step_read(struct template *template, const struct yaml_node *node,
                       struct error *error) {
    static const struct yaml_node nothing = {.kind = YAML_NULL};
    char found[80];
    if (node->kind == YAML_MAP && node->count != 1) {
        error_at(error, ERROR_SPEC, node->position,
                 "a step has exactly one operation, block or choice, but this one has %d keys; "
                 "what belongs to the operation is indented below it",
                 node->count);
        return NULL;
    }
    if (node->kind != YAML_MAP && node->kind != YAML_SCALAR) {
        error_at(error, ERROR_SPEC, node->position,
                 "a step must be an operation, a block or a choice, not %s",
                 yaml_describe(node, found, sizeof found));
        return NULL;
    }
    const struct yaml_node *word = node->kind == YAML_MAP ? node->keys[0] : node;
    struct step *step = arena_allocate(&template->arena, sizeof *step);
    step->id = template->step_count++;
    step->word = word->text;
    step->position = word->position;
    step->op = op_find(word->text);
    if (strcmp(word->text, "seq") == 0) {
        step->kind = STEP_SEQUENCE;
    } else if (strcmp(word->text, "repeat") == 0) {
        step->kind = STEP_REPEAT;
    } else if (strcmp(word->text, "choose") == 0) {
        step->kind = STEP_CHOOSE;
    } else if (step->op && step->op->is_step) {
        step->kind = STEP_OPERATION;
        step->is_convolution = op_is_convolution(step->op);
    } else {
        step->kind = STEP_BLOCK;
        step->block = template_block(template, word->text);
        if (!step->block) {
            unknown_word(template, word, error);
            return NULL;
        }
    }
    return read_kind(template, step, word, node->kind == YAML_MAP ? node->items[0] : &nothing,
                     error)
               ? step
               : NULL;
}

struct step_list *step_list_read(struct template *template, const struct yaml_node *node,
                                 const char *what, struct error *error) {
    char found[80];
    if (node->kind != YAML_LIST || node->count == 0) {
        error_at(error, ERROR_SPEC, node->position, "%s must be a list of steps, not %s", what,
                 node->kind == YAML_LIST ? "an empty one"
                                         : yaml_describe(node, found, sizeof found));
        return NULL;
    }
    struct step_list *list = arena_allocate(&template->arena, sizeof *list);
    list->items = arena_allocate(&template->arena, (size_t)node->count * sizeof *list->items);
    list->position = node->position;
    bool good = true;
    for (int i = 0; i < node->count; i++) {
        struct step *step = step_read(template, node->items[i], error);
        if (step)
            list->items[list->count++] = step;
        else
            good = false;
    }
    return good ? list : NULL;
}

struct step_list *candidate_list_read(struct template *template, const struct yaml_node *node,
                                      const char *what, struct error *error) {
    if (node->kind == YAML_LIST && node->count > CHOICE_MAX_CANDIDATES) {
        error_at(error, ERROR_SPEC, node->position, "%s has %d candidates; at most %d are possible",
                 what, node->count, CHOICE_MAX_CANDIDATES);
        return NULL;
    }
    struct step_list *list = step_list_read(template, node, what, error);
    return list && candidate_names_set(template, list, error) ? list : NULL;
}

struct step_list *step_body_read(struct template *template, const struct yaml_node *node,
                                 const char *what, struct error *error) {
    struct step_list *list = step_list_read(template, node, what, error);
    return list && step_list_set_labels(template, list, error) ? list : NULL;
}
