#include "spaces/template.h"
#include "spaces/attributes.h"
#include <stdio.h>
#include <string.h>

struct block *template_block(const struct template *template, const char *name) {
    int index = name_index_find(&template->block_index, name);
    return index < 0 ? NULL : &template->blocks[index];
}

struct choice *template_choice(const struct template *template, const char *name) {
    int index = name_index_find(&template->choice_index, name);
    return index < 0 ? NULL : &template->choices[index];
}

bool choice_read(struct template *template, struct choice *choice, struct error *error) {
    if (choice->state == 2) return true;
    if (choice->state == 1) return false;
    choice->state = 1;
    char what[128];
    snprintf(what, sizeof what, "the choice \"%.80s\"", choice->name);
    choice->candidates = candidate_list_read(template, choice->node, what, error);
    choice->state = 2;
    return true;
}

/* A section of named things; false when it is there but not a map. */
static bool is_map_or_absent(const struct yaml_node *section, const char *name,
                             struct error *error) {
    char found[80];
    if (!section || section->kind == YAML_MAP || section->kind == YAML_NULL) return true;
    return error_at(error, ERROR_SPEC, section->position, "\"%s\" must be a map of names, not %s",
                    name, yaml_describe(section, found, sizeof found));
}

static bool check_block_name(const struct yaml_node *key, struct error *error) {
    if (!expression_is_name(key->text))
        return error_at(error, ERROR_SPEC, key->position,
                        "\"%s\" cannot be a name: names have letters, digits and underscores only",
                        key->text);
    static const char *const own[] = {"seq", "repeat", "choose", "input", "previous"};
    bool taken = op_find(key->text) != NULL;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        taken = taken || strcmp(own[i], key->text) == 0;
    if (taken)
        return error_at(error, ERROR_SPEC, key->position,
                        "a block cannot be called \"%s\": that word has a meaning already",
                        key->text);
    return true;
}

static bool read_parameters(struct template *template, struct block *block,
                            const struct yaml_node *node, struct error *error) {
    if (!is_map_or_absent(node, "parameters", error)) return false;
    size_t count = (size_t)node->count;
    block->parameters = arena_allocate(&template->arena, count * sizeof *block->parameters);
    block->defaults = arena_allocate(&template->arena, count * sizeof *block->defaults);
    bool good = true;
    for (int i = 0; i < node->count; i++) {
        const struct yaml_node *key = node->keys[i], *value = node->items[i];
        if (!expression_is_name(key->text) || strcmp(key->text, "from") == 0 ||
            strcmp(key->text, "name") == 0 || strcmp(key->text, "bits") == 0)
            good = error_at(error, ERROR_SPEC, key->position,
                            "\"%s\" cannot be the name of a block's parameter", key->text);
        if (value->kind == YAML_SCALAR) {
            if (!expression_check(value->text, value->position, error)) good = false;
        } else if (value->kind != YAML_NULL) {
            good = error_at(error, ERROR_SPEC, value->position,
                            "the default of \"%s\" must be a number or an expression, or nothing",
                            key->text);
        }
        block->parameters[i] = key->text;
        block->defaults[i] = value;
    }
    block->parameter_count = node->count;
    return good;
}

/* The form {parameters: ..., do: [...]} or the steps alone; returns the steps' node. */
static const struct yaml_node *read_block_head(struct template *template, struct block *block,
                                               const struct yaml_node *node, struct error *error) {
    static const char *const keys[] = {"parameters", "do", "description"};
    if (node->kind != YAML_MAP) return node;
    char what[128];
    snprintf(what, sizeof what, "the block \"%.80s\"", block->name);
    yaml_check_keys(node, what, keys, 3, error);
    const struct yaml_node *parameters = yaml_get(node, "parameters");
    if (parameters) read_parameters(template, block, parameters, error);
    const struct yaml_node *body = yaml_get(node, "do");
    if (!body)
        error_at(error, ERROR_SPEC, block->position,
                 "the block \"%s\" needs \"do\": a list of steps", block->name);
    return body;
}

static void read_names(struct template *template, const struct yaml_node *blocks,
                       const struct yaml_node *choices, struct error *error) {
    int block_count = blocks ? blocks->count : 0;
    template->blocks =
        arena_allocate(&template->arena, (size_t)block_count * sizeof *template->blocks);
    for (int i = 0; i < block_count; i++) {
        check_block_name(blocks->keys[i], error);
        struct block *block = &template->blocks[template->block_count++];
        block->name = blocks->keys[i]->text;
        block->position = blocks->keys[i]->position;
        name_index_add(&template->block_index, block->name, i);
    }
    int choice_count = choices ? choices->count : 0;
    template->choices =
        arena_allocate(&template->arena, (size_t)choice_count * sizeof *template->choices);
    for (int i = 0; i < choice_count; i++) {
        struct choice *choice = &template->choices[template->choice_count++];
        choice->name = choices->keys[i]->text;
        choice->node = choices->items[i];
        name_index_add(&template->choice_index, choice->name, i);
    }
}

static bool find_cycle(struct step_list *list, struct block **path, int depth, struct error *error);

static bool report_cycle(const struct step *step, struct block *const *path, int depth,
                         struct error *error) {
    char way[400] = "";
    size_t at = 0;
    int first = depth - 1;
    while (first > 0 && path[first] != step->block)
        first--;
    for (int i = first; i < depth && at < sizeof way; i++) {
        int length = snprintf(way + at, sizeof way - at, "%s -> ", path[i]->name);
        at += length > 0 ? (size_t)length : 0;
    }
    return error_at(error, ERROR_SPEC, step->position, "the block \"%s\" contains itself (%s%s)",
                    step->word, way, step->word);
}

/* Also notes, from the innermost block outward, which blocks have convolutions of open bits. */
static bool look_into_block(struct block *block, struct block **path, int depth,
                            struct error *error) {
    block->visit = 1;
    path[depth] = block;
    bool good = find_cycle(block->body, path, depth + 1, error);
    block->visit = 2;
    for (int i = 0; good && i < block->body->count; i++)
        block->has_open = block->has_open || step_has_open_bits(block->body->items[i]);
    return good;
}

static bool visit_block(const struct step *step, struct block **path, int depth,
                        struct error *error) {
    struct block *block = step->block;
    if (block->visit == 2) return true;
    if (block->visit == 1) return report_cycle(step, path, depth, error);
    return look_into_block(block, path, depth, error);
}

static bool find_cycle(struct step_list *list, struct block **path, int depth,
                       struct error *error) {
    bool good = true;
    if (list->is_visited) return true; /* candidates that several choices share */
    list->is_visited = true;
    for (int i = 0; i < list->count; i++) {
        struct step *step = list->items[i];
        if (step->kind == STEP_BLOCK && !visit_block(step, path, depth, error)) good = false;
        if (step->body && !find_cycle(step->body, path, depth, error)) good = false;
        if (step->candidates && !find_cycle(step->candidates, path, depth, error)) good = false;
    }
    return good;
}

bool step_has_open_bits(const struct step *step) {
    if (step->kind == STEP_OPERATION) return step->is_convolution && !step->bits;
    if (step->kind == STEP_BLOCK) return step->block->has_open;
    if (step->kind == STEP_CHOOSE) return false;
    for (int i = 0; i < step->body->count; i++)
        if (step_has_open_bits(step->body->items[i])) return true;
    return false;
}

bool step_accepts_default(const struct step *step, const char *key) {
    int targets[ATTRIBUTE_MAX_TARGETS];
    if (step->kind == STEP_OPERATION) return attribute_targets(step->op, key, targets) > 0;
    if (step->kind == STEP_BLOCK) {
        for (int i = 0; i < step->block->parameter_count; i++)
            if (strcmp(step->block->parameters[i], key) == 0) return true;
        return false;
    }
    if (step->kind == STEP_CHOOSE)
        return step->is_of_numbers && step_accepts_default(step->candidates->items[0], key);
    for (int i = 0; i < step->body->count; i++)
        if (step_accepts_default(step->body->items[i], key)) return true;
    return false;
}

/* A key of `choose` that no candidate can use is a mistake. */
static void check_choice_arguments(struct step_list *list, struct error *error);

static void check_choose(const struct step *step, struct error *error) {
    for (int i = 0; i < step->argument_count; i++) {
        const struct step_argument *argument = &step->arguments[i];
        bool accepted = false;
        for (int j = 0; j < step->candidates->count; j++)
            accepted = accepted || step_accepts_default(step->candidates->items[j], argument->key);
        if (accepted) continue;
        static const char *const own[] = {"among", "bits", "name", "from", "tie"};
        const char *nearest = error_nearest(argument->key, own, 5);
        if (nearest)
            error_at(error, ERROR_SPEC, argument->position,
                     "no candidate of this choice has the key \"%s\"; did you mean \"%s\"?",
                     argument->key, nearest);
        else
            error_at(error, ERROR_SPEC, argument->position,
                     "no candidate of this choice has the key \"%s\"", argument->key);
    }
}

static void check_choice_arguments(struct step_list *list, struct error *error) {
    if (list->is_checked) return;
    list->is_checked = true;
    for (int i = 0; i < list->count; i++) {
        const struct step *step = list->items[i];
        if (step->body) check_choice_arguments(step->body, error);
        if (!step->candidates) continue;
        check_choose(step, error);
        check_choice_arguments(step->candidates, error);
    }
}

/* What needs every block to be read: cycles, bits, defaults. */
static void check_whole(struct template *template, struct error *error) {
    struct block **path = memory_allocate((size_t)(template->block_count + 1) * sizeof *path);
    bool good = true;
    for (int i = 0; i < template->block_count; i++) {
        struct block *block = &template->blocks[i];
        if (block->visit == 2) continue;
        if (!look_into_block(block, path, 0, error)) good = false;
    }
    memory_free(path);
    if (!good) return;
    check_choice_arguments(template->network, error);
    for (int i = 0; i < template->block_count; i++)
        check_choice_arguments(template->blocks[i].body, error);
}

bool template_read(struct template *template, const struct yaml_node *root, struct error *error) {
    struct error own = {0};
    if (!error) error = &own;
    int before = error->count;
    const struct yaml_node *blocks = yaml_get(root, "blocks");
    const struct yaml_node *choices = yaml_get(root, "choices");
    if (!is_map_or_absent(blocks, "blocks", error)) blocks = NULL;
    if (!is_map_or_absent(choices, "choices", error)) choices = NULL;
    read_names(template, blocks, choices, error);

    /* Parameters first: steps that use a block are checked against them. */
    const struct yaml_node **bodies =
        memory_allocate((size_t) template->block_count * sizeof *bodies);
    for (int i = 0; i < template->block_count; i++)
        bodies[i] = read_block_head(template, &template->blocks[i], blocks->items[i], error);
    for (int i = 0; i < template->block_count; i++) {
        char what[128];
        snprintf(what, sizeof what, "the block \"%.80s\"", template->blocks[i].name);
        if (bodies[i]) template->blocks[i].body = step_body_read(template, bodies[i], what, error);
    }
    memory_free(bodies);
    for (int i = 0; i < template->choice_count; i++)
        choice_read(template, &template->choices[i], error);
    const struct yaml_node *network = yaml_get(root, "network");
    if (network)
        template->network = step_body_read(template, network, "\"network\"", error);
    else
        error_at(error, ERROR_SPEC, root->position,
                 "a space needs a section \"network\" with a list of steps");
    if (error->count == before) check_whole(template, error);
    return error->count == before;
}

void template_free(struct template *template) {
    name_index_free(&template->block_index);
    name_index_free(&template->choice_index);
    arena_free(&template->arena);
}
