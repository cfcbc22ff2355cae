#include "core/file.h"
#include "spaces/architecture.h"
#include "spaces/space_private.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Writing -------------------------------------------------------------------------------------
 */

struct writer {
    char *text;
    size_t length, capacity;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *writer, const char *format,
                                                      ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    size_t needed = writer->length + (size_t)length + 1;
    if (needed > writer->capacity) {
        size_t grown = needed * 2;
        writer->text = memory_resize(writer->text, writer->capacity, grown);
        writer->capacity = grown;
    }
    vsnprintf(writer->text + writer->length, (size_t)length + 1, format, again);
    va_end(again);
    writer->length += (size_t)length;
}

static void put_let(struct writer *writer, const struct space_settings *settings) {
    if (settings->let_count == 0) return;
    put(writer, "let:\n");
    for (int i = 0; i < settings->let_count; i++)
        put(writer, "  %s: %.17g\n", settings->let_names[i], settings->let_values[i]);
}

static void put_slot(struct writer *writer, const struct architecture *architecture, int index) {
    const struct slot *slot = &architecture->space->slots.items[index];
    int candidate = architecture_candidate(architecture, index);
    int bits = architecture_bits(architecture, index);
    put(writer, "  %s: %s", slot->name, slot->candidates[candidate].name);
    if (bits > 0 && slot->activations >= 0)
        put(writer, " at %d/%d bits", bits, architecture_bits(architecture, slot->activations));
    else if (bits > 0)
        put(writer, " at %d bits", bits);
    put(writer, "\n");
}

char *architecture_text(const struct architecture *architecture) {
    const struct space *space = architecture->space;
    struct writer writer = {0};
    put(&writer, "# An architecture of the space \"%s\": one choice a slot. It can be edited.\n",
        space->name);
    put(&writer, "space: %s\nchecksum: \"%08x\"\nscale: %d\n", space->name, space->checksum,
        space->settings.scale);
    put_let(&writer, &space->settings);
    if (architecture->all_bits) put(&writer, "bits: %d\n", architecture->all_bits);
    put(&writer, architecture->count > 0 ? "choices:\n" : "choices: {}\n");
    for (int i = 0; i < architecture->count; i++)
        if (space->slots.items[i].owner < 0 && architecture_has_slot(architecture, i))
            put_slot(&writer, architecture, i);
    return writer.text;
}

bool architecture_write(const struct architecture *architecture, const char *path,
                        struct error *error) {
    char *text = architecture_text(architecture);
    bool good = file_write(path, text, strlen(text), error);
    memory_free(text);
    return good;
}

/* --- Reading -------------------------------------------------------------------------------------
 */

/* Splits "conv3 at 8 bits" into the name (into `name`) and the bits, "conv3 at 4/8 bits" into those
 * of weights and of activations; 0: none given. */
static bool split_choice(const struct yaml_node *node, char *name, size_t size, long *bits,
                         long *activations, struct error *error) {
    char text[200], *rest, *words[5];
    int count = 0;
    *bits = *activations = 0;
    if (node->kind != YAML_SCALAR || strlen(node->text) >= sizeof text ||
        strlen(node->text) >= size)
        return error_at(error, ERROR_SPEC, node->position,
                        "expected a candidate such as \"conv3 at 8 bits\"");
    snprintf(text, sizeof text, "%s", node->text);
    for (char *word = strtok_r(text, " ", &rest); word && count < 5;
         word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    char *end = NULL;
    if (count == 4) *bits = strtol(words[2], &end, 10);
    bool is_apart = end && *end == '/';
    if (is_apart) *activations = strtol(end + 1, &end, 10);
    bool good =
        count == 1 || (count == 4 && strcmp(words[1], "at") == 0 && *end == '\0' && *bits > 0 &&
                       *bits < 100 && (!is_apart || (*activations > 0 && *activations < 100)) &&
                       (strcmp(words[3], "bits") == 0 || strcmp(words[3], "bit") == 0));
    if (!good)
        return error_at(error, ERROR_SPEC, node->position,
                        "expected a candidate such as \"conv3 at 8 bits\", found \"%s\"",
                        node->text);
    snprintf(name, size, "%s", words[0]);
    return true;
}

/* "4, 8": the widths of a candidate. */
static void list_bits(const struct slot_candidate *candidate, char *buffer, size_t size) {
    size_t at = 0;
    for (int i = 0; i < candidate->bits_count && at < size; i++) {
        int length = snprintf(buffer + at, size - at, "%s%d", i ? ", " : "", candidate->bits[i]);
        at += length > 0 ? (size_t)length : 0;
    }
}

static bool find_bits(const struct slot *slot, const struct slot_candidate *candidate, long bits,
                      const struct yaml_node *node, int *entry, struct error *error) {
    char known[80];
    list_bits(candidate, known, sizeof known);
    if (bits == 0) {
        *entry = candidate->first;
        if (candidate->bits_count == 1) return true;
        return error_at(error, ERROR_SPEC, node->position,
                        "\"%s\" of the slot \"%s\" needs a bit width: \"%s at %d bits\" (known are "
                        "%s)",
                        candidate->name, slot->name, candidate->name, candidate->bits[0], known);
    }
    for (int i = 0; i < candidate->bits_count; i++) {
        if (candidate->bits[i] != bits) continue;
        *entry = candidate->first + i;
        return true;
    }
    if (candidate->bits[0] == 0)
        return error_at(error, ERROR_SPEC, node->position,
                        "\"%s\" of the slot \"%s\" has no bit width to choose", candidate->name,
                        slot->name);
    return error_at(error, ERROR_SPEC, node->position,
                    "\"%s\" of the slot \"%s\" cannot have %ld bits; known are %s", candidate->name,
                    slot->name, bits, known);
}

/* The bits of activations, where a candidate has some that are chosen apart. */
static bool find_activations(struct architecture *architecture, const struct slot *slot, int entry,
                             long bits, const struct yaml_node *node, struct error *error) {
    const struct slots *slots = &architecture->space->slots;
    bool has_bits = false;
    for (int i = 0; i < slot->candidate_count; i++) {
        const struct slot_candidate *at = &slot->candidates[i];
        if (entry >= at->first && entry < at->first + at->bits_count) has_bits = at->bits[0] > 0;
    }
    if (slot->activations < 0 || !has_bits)
        return bits == 0 ||
               error_at(error, ERROR_SPEC, node->position,
                        "\"%s\" has no bit width of activations to choose", slot->name);
    const struct slot *own = &slots->items[slot->activations];
    char known[80];
    list_bits(&own->candidates[0], known, sizeof known);
    for (int i = 0; i < own->entry_count; i++) {
        if (own->candidates[0].bits[i] != bits && !(bits == 0 && own->entry_count == 1)) continue;
        architecture->entries[slot->activations] = i;
        return true;
    }
    if (bits == 0)
        return error_at(error, ERROR_SPEC, node->position,
                        "\"%s\" needs a bit width of activations behind that of weights, such as "
                        "\"at %d/%d bits\" (known are %s)",
                        slot->name, slot->candidates[0].bits[0] ? slot->candidates[0].bits[0] : 8,
                        own->candidates[0].bits[0], known);
    return error_at(error, ERROR_SPEC, node->position,
                    "the activations of \"%s\" cannot have %ld bits; known are %s", slot->name,
                    bits, known);
}

static bool read_choice(struct architecture *architecture, int index, const struct yaml_node *node,
                        struct error *error) {
    const struct slot *slot = &architecture->space->slots.items[index];
    int *entry = &architecture->entries[index];
    char name[200];
    long bits, activations;
    if (!split_choice(node, name, sizeof name, &bits, &activations, error)) return false;
    for (int i = 0; i < slot->candidate_count; i++)
        if (strcmp(slot->candidates[i].name, name) == 0)
            return find_bits(slot, &slot->candidates[i], bits, node, entry, error) &&
                   find_activations(architecture, slot, *entry, activations, node, error);
    const char **names = memory_allocate((size_t)slot->candidate_count * sizeof *names);
    for (int i = 0; i < slot->candidate_count; i++)
        names[i] = slot->candidates[i].name;
    const char *nearest = error_nearest(name, names, (size_t)slot->candidate_count);
    if (nearest)
        error_at(error, ERROR_SPEC, node->position,
                 "the slot \"%s\" has no candidate \"%s\"; did you mean \"%s\"?", slot->name, name,
                 nearest);
    else
        error_at(error, ERROR_SPEC, node->position, "the slot \"%s\" has no candidate \"%s\"",
                 slot->name, name);
    memory_free(names);
    return false;
}

static bool report_unknown_slot(const struct slots *slots, const struct yaml_node *key,
                                struct error *error) {
    const char **names = memory_allocate((size_t)(slots->count + 1) * sizeof *names);
    for (int i = 0; i < slots->count; i++)
        names[i] = slots->items[i].name;
    const char *nearest = error_nearest(key->text, names, (size_t)slots->count);
    memory_free(names);
    if (nearest)
        return error_at(error, ERROR_SPEC, key->position,
                        "the space has no slot \"%s\"; did you mean \"%s\"?", key->text, nearest);
    return error_at(error, ERROR_SPEC, key->position, "the space has no slot \"%s\"", key->text);
}

static bool read_choices(const struct yaml_node *root, struct architecture *architecture,
                         struct error *error) {
    const struct slots *slots = &architecture->space->slots;
    const struct yaml_node *choices = yaml_get(root, "choices");
    char found[80];
    if (!choices)
        return error_at(error, ERROR_SPEC, root->position,
                        "an architecture needs the section \"choices\"");
    if (choices->kind != YAML_MAP && choices->kind != YAML_NULL)
        return error_at(error, ERROR_SPEC, choices->position, "\"choices\" must be a map, not %s",
                        yaml_describe(choices, found, sizeof found));
    bool *given = memory_allocate((size_t)(slots->count + 1) * sizeof *given);
    bool good = true;
    for (int i = 0; i < choices->count; i++) {
        int slot = 0;
        while (slot < slots->count &&
               (slots->items[slot].owner >= 0 ||
                strcmp(slots->items[slot].name, choices->keys[i]->text) != 0))
            slot++;
        if (slot == slots->count) {
            good = report_unknown_slot(slots, choices->keys[i], error);
            continue;
        }
        given[slot] = true;
        if (!read_choice(architecture, slot, choices->items[i], error)) good = false;
    }
    for (int i = 0; good && i < slots->count; i++)
        if (!given[i] && slots->items[i].owner < 0 && architecture_has_slot(architecture, i))
            good = error_at(error, ERROR_SPEC, choices->position, "no choice for the slot \"%s\"",
                            slots->items[i].name);
    memory_free(given);
    return good;
}

/* What an architecture file says about its space. */
struct head {
    const char *space;
    const struct yaml_node *checksum_node;
    uint32_t checksum;
    struct space_settings settings;
};

static bool read_checksum(const struct yaml_node *node, uint32_t *checksum, struct error *error) {
    const char *text;
    char *end = NULL;
    if (!yaml_to_string(node, &text, error)) return false;
    errno = 0;
    unsigned long value = strtoul(text, &end, 16);
    if (strlen(text) != 8 || *end != '\0' || errno != 0)
        return error_at(error, ERROR_SPEC, node->position,
                        "\"checksum\" must have 8 hexadecimal digits, not \"%s\"", text);
    *checksum = (uint32_t)value;
    return true;
}

static bool read_head_let(const struct yaml_node *let, struct space_settings *settings,
                          struct error *error) {
    char found[80];
    if (!let || let->kind == YAML_NULL) return true;
    if (let->kind != YAML_MAP || let->count > SPACE_MAX_LET)
        return error_at(error, ERROR_SPEC, let->position,
                        "\"let\" must be a map of at most %d values, not %s", SPACE_MAX_LET,
                        yaml_describe(let, found, sizeof found));
    bool good = true;
    for (int i = 0; i < let->count; i++) {
        settings->let_names[i] = let->keys[i]->text;
        settings->let_positions[i] = let->keys[i]->position;
        if (!yaml_to_real(let->items[i], &settings->let_values[i], error)) good = false;
    }
    settings->let_count = let->count;
    return good;
}

static bool read_head(const struct yaml_node *root, struct head *head, struct error *error) {
    static const char *const keys[] = {"space", "checksum", "scale", "let", "bits", "choices"};
    char found[80];
    *head = (struct head){0};
    if (root->kind != YAML_MAP)
        return error_at(error, ERROR_SPEC, root->position, "an architecture must be a map, not %s",
                        yaml_describe(root, found, sizeof found));
    bool good = yaml_check_keys(root, "the architecture", keys, 6, error);
    static const char *const needed[] = {"space", "checksum", "scale"};
    for (int i = 0; i < 3; i++)
        if (!yaml_get(root, needed[i]))
            good = error_at(error, ERROR_SPEC, root->position, "an architecture needs \"%s\"",
                            needed[i]);
    if (!good) return false;
    int64_t scale = 0;
    head->checksum_node = yaml_get(root, "checksum");
    if (!yaml_to_string(yaml_get(root, "space"), &head->space, error)) good = false;
    if (!read_checksum(head->checksum_node, &head->checksum, error)) good = false;
    if (!yaml_to_integer(yaml_get(root, "scale"), &scale, error)) good = false;
    if (good && (scale < 1 || scale > 16))
        good = error_at(error, ERROR_SPEC, yaml_get(root, "scale")->position,
                        "a scale of %lld is not possible", (long long)scale);
    head->settings.scale = (int)scale;
    return read_head_let(yaml_get(root, "let"), &head->settings, error) && good;
}

static bool read_all_bits(const struct yaml_node *node, int *bits, struct error *error) {
    int64_t value;
    if (!node) return true;
    if (!yaml_to_integer(node, &value, error)) return false;
    if (value != BITS_WIDE && (value < BITS_MINIMUM || value > BITS_MAXIMUM))
        return error_at(error, ERROR_SPEC, node->position,
                        "a bit width of %lld is not possible: it must be between %d and %d, or %d",
                        (long long)value, BITS_MINIMUM, BITS_MAXIMUM, BITS_WIDE);
    *bits = (int)value;
    return true;
}

static struct architecture *read_for_space(const struct yaml_node *root, const struct head *head,
                                           const struct space *space, struct error *error) {
    if (head->checksum != space->checksum) {
        if (head->settings.scale != space->settings.scale)
            error_at(error, ERROR_SPEC, yaml_get(root, "scale")->position,
                     "this architecture is for scale %d, the space for scale %d",
                     head->settings.scale, space->settings.scale);
        else
            error_at(error, ERROR_SPEC, head->checksum_node->position,
                     "this architecture belongs to another version of the space \"%s\" (checksum "
                     "%08x), or to other values of \"let\"; \"%s\" has the checksum %08x",
                     head->space, head->checksum, space->path, space->checksum);
        return NULL;
    }
    struct architecture *architecture = architecture_create(space);
    if (read_choices(root, architecture, error) &&
        read_all_bits(yaml_get(root, "bits"), &architecture->all_bits, error))
        return architecture;
    architecture_free(architecture);
    return NULL;
}

struct architecture *architecture_read(const char *path, const struct space *space,
                                       struct error *error) {
    struct yaml_document document;
    struct architecture *architecture = NULL;
    struct head head;
    if (!yaml_read(path, &document, error)) return NULL;
    if (read_head(document.root, &head, error))
        architecture = read_for_space(document.root, &head, space, error);
    yaml_free(&document);
    return architecture;
}

/* A space file beside the architecture, if there is one that fits; NULL otherwise. */
static struct space *read_beside(const char *path, const char *name, const struct head *head) {
    char *folder = path_folder(path), *candidate = path_join(folder, name);
    struct space *space = NULL;
    if (file_exists(candidate)) space = space_read(candidate, &head->settings, NULL);
    if (space && space->checksum != head->checksum) {
        space_free(space);
        space = NULL;
    }
    memory_free(candidate);
    memory_free(folder);
    return space;
}

static struct space *find_space(const char *path, const struct yaml_node *root,
                                const struct head *head, struct error *error) {
    struct space *space = read_beside(path, "space.yaml", head);
    if (space) return space;
    struct arena arena = {0};
    space = read_beside(path, arena_format(&arena, "%s.yaml", head->space), head);
    arena_free(&arena);
    if (space) return space;
    char **names;
    size_t count;
    bool is_shipped = false;
    if (space_list(&names, &count, NULL)) {
        for (size_t i = 0; i < count; i++)
            is_shipped = is_shipped || strcmp(names[i], head->space) == 0;
        file_list_free(names, count);
    }
    if (is_shipped) return space_read(head->space, &head->settings, error);
    error_at(error, ERROR_SPEC, yaml_get(root, "space")->position,
             "the space \"%s\" is not a shipped one, and no file space.yaml with the checksum %08x "
             "lies beside this architecture",
             head->space, head->checksum);
    return NULL;
}

bool architecture_open(const char *path, struct space **space, struct architecture **architecture,
                       struct error *error) {
    struct yaml_document document;
    struct head head;
    *space = NULL;
    *architecture = NULL;
    if (!yaml_read(path, &document, error)) return false;
    if (read_head(document.root, &head, error) &&
        (*space = find_space(path, document.root, &head, error)))
        *architecture = read_for_space(document.root, &head, *space, error);
    yaml_free(&document);
    if (*architecture) return true;
    space_free(*space);
    *space = NULL;
    return false;
}
