#include "spaces/step_labels.h"
#include <stdlib.h>
#include <string.h>

/* A name or word and where it stands in its list. */
struct entry {
    const char *text;
    int index;
    struct position position;
};

static int compare_texts(const void *a, const void *b) {
    const struct entry *first = a, *second = b;
    int order = strcmp(first->text, second->text);
    return order ? order : first->index - second->index;
}

static int compare_key(const void *key, const void *entry) {
    return strcmp(key, ((const struct entry *)entry)->text);
}

/* All names that steps of the list have, sorted; two of a step that collects. */
static size_t sorted_names(const struct step_list *list, struct entry *names) {
    size_t count = 0;
    for (int i = 0; i < list->count; i++) {
        const struct step *step = list->items[i];
        if (step->name) names[count++] = (struct entry){step->name, i, step->name_position};
        if (step->collect) names[count++] = (struct entry){step->collect, i, step->position};
    }
    qsort(names, count, sizeof *names, compare_texts);
    return count;
}

static bool check_names(const struct entry *names, size_t count, struct error *error) {
    bool good = true;
    for (size_t i = 1; i < count; i++)
        if (strcmp(names[i].text, names[i - 1].text) == 0)
            good = error_at(error, ERROR_SPEC, names[i].position,
                            "two steps of this list have the name \"%s\"", names[i].text);
    return good;
}

bool step_list_set_labels(struct template *template, struct step_list *list, struct error *error) {
    size_t room = 2 * (size_t)list->count + 1, word_count = 0;
    struct entry *names = memory_allocate(room * sizeof *names);
    struct entry *words = memory_allocate(room * sizeof *words);
    size_t name_count = sorted_names(list, names);
    bool good = check_names(names, name_count, error);
    list->labels = arena_allocate(&template->arena, (size_t)list->count * sizeof *list->labels);
    for (int i = 0; i < list->count; i++) {
        const struct step *step = list->items[i];
        list->labels[i] = step->name ? step->name : step->collect;
        if (!list->labels[i]) words[word_count++] = (struct entry){step->word, i, step->position};
    }
    /* Steps of one word lie beside each other, in their order. */
    qsort(words, word_count, sizeof *words, compare_texts);
    int number = 0;
    for (size_t i = 0; i < word_count; i++) {
        bool is_first = i == 0 || strcmp(words[i].text, words[i - 1].text) != 0;
        number = is_first ? 1 : number + 1;
        const char *label = arena_format(&template->arena, "%s%d", words[i].text, number);
        while (bsearch(label, names, name_count, sizeof *names, compare_key))
            label = arena_format(&template->arena, "%s_", label);
        list->labels[words[i].index] = label;
    }
    memory_free(names);
    memory_free(words);
    return good;
}
