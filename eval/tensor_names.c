#include "eval/tensor_names.h"

#include "core/yaml.h"
#include <stdio.h>
#include <string.h>

struct tensor_names {
    struct yaml_document document;
};

static bool check_rules(const struct yaml_node *root, struct error *error) {
    if (root->kind != YAML_MAP)
        return error_at(
            error, ERROR_SPEC, root->position,
            "a names file is a map from Tamis's names of tensors to those in the file of "
            "weights, such as \"blocks.0: B1\"");
    bool good = true;
    for (int i = 0; i < root->count; i++) {
        const char *text;
        good &= yaml_to_string(root->items[i], &text, error);
    }
    return good;
}

struct tensor_names *tensor_names_read(const char *path, struct error *error) {
    struct tensor_names *names = memory_allocate(sizeof *names);
    if (yaml_read(path, &names->document, error) && check_rules(names->document.root, error))
        return names;
    tensor_names_free(names);
    return NULL;
}

void tensor_names_free(struct tensor_names *names) {
    if (!names) return;
    yaml_free(&names->document);
    memory_free(names);
}

/* Where `words` stand in `name` as whole words, or NULL. */
static const char *find_words(const char *name, const char *words) {
    size_t length = strlen(words);
    if (!length) return NULL;
    for (const char *at = strstr(name, words); at; at = strstr(at + 1, words)) {
        bool begins = at == name || at[-1] == '.';
        if (begins && (at[length] == '.' || at[length] == '\0')) return at;
    }
    return NULL;
}

static bool rename_tensor(const void *context, const char *name, char *buffer, size_t size) {
    const struct yaml_node *rules = ((const struct tensor_names *)context)->document.root;
    if (snprintf(buffer, size, "%s", name) >= (int)size) return false;
    for (int i = 0; i < rules->count; i++) {
        const char *words = rules->keys[i]->text, *theirs = rules->items[i]->text;
        const char *at = find_words(buffer, words);
        if (!at) continue;
        char rest[PARAMETER_NAME_BYTES];
        snprintf(rest, sizeof rest, "%s", at + strlen(words));
        size_t begin = (size_t)(at - buffer);
        if (snprintf(buffer + begin, size - begin, "%s%s", theirs, rest) >= (int)(size - begin))
            return false;
    }
    return true;
}

struct parameter_renaming tensor_names_renaming(const struct tensor_names *names) {
    return (struct parameter_renaming){names ? rename_tensor : NULL, names};
}
