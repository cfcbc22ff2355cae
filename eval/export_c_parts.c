#include "eval/export_c_parts.h"
#include "eval/export_c_sources.h"
#include <string.h>

static const char begin_mark[] = "/* part: ", end_mark[] = "/* end */\n";

/* The next word of a line " NAME needs: NAME NAME ...", or NULL at its end. */
static const char *next_word(struct arena *arena, const char **at) {
    while (**at == ' ')
        (*at)++;
    size_t length = strcspn(*at, " *");
    if (!length) return NULL;
    const char *word = arena_format(arena, "%.*s", (int)length, *at);
    *at += length;
    return word;
}

/* Reads the part that begins at `mark`; where its text ends. */
static const char *read_part(struct export_c_parts *parts, const char *mark) {
    struct export_c_part *part = &parts->items[parts->count++];
    const char *at = mark + strlen(begin_mark);
    *part = (struct export_c_part){.name = next_word(&parts->arena, &at)};
    int needs = 0;
    for (const char *word; (word = next_word(&parts->arena, &at)) != NULL;)
        if (strcmp(word, "needs:") != 0) part->needs[needs++] = word;
    part->text = strchr(mark, '\n') + 1;
    const char *next = strstr(part->text, begin_mark), *end = strstr(part->text, end_mark);
    const char *stop = next && next < end ? next : end;
    part->length = (size_t)(stop - part->text);
    return stop;
}

void export_c_parts_read(struct export_c_parts *parts) {
    *parts = (struct export_c_parts){0};
    for (int i = 0; i < export_c_source_count; i++) {
        const char *at = strstr((const char *)export_c_sources[i], begin_mark);
        while (at && strncmp(at, begin_mark, strlen(begin_mark)) == 0)
            at = read_part(parts, at);
    }
}

void export_c_parts_free(struct export_c_parts *parts) {
    arena_free(&parts->arena);
}

void export_c_parts_want(struct export_c_parts *parts, const char *name) {
    for (int i = 0; i < parts->count; i++) {
        struct export_c_part *part = &parts->items[i];
        if (strcmp(part->name, name) != 0 || part->is_wanted) continue;
        part->is_wanted = true;
        for (int k = 0; k < 4 && part->needs[k]; k++)
            export_c_parts_want(parts, part->needs[k]);
    }
}

void export_c_parts_write(const struct export_c_parts *parts, FILE *file) {
    for (int i = 0; i < parts->count; i++)
        if (parts->items[i].is_wanted)
            fwrite(parts->items[i].text, 1, parts->items[i].length, file);
}
