#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "results/journal.h"
#include <string.h>

/* All complete lines, superseded ones among them. */
static json_t *journal_parse(const char *path, const char *data, size_t size, struct error *error) {
    json_t *events = json_array();
    size_t number = 0;
    for (size_t begin = 0; begin < size;) {
        const char *end = memchr(data + begin, '\n', size - begin);
        if (!end) break; /* torn: the process was killed while it wrote */
        size_t length = (size_t)(end - (data + begin));
        number++;
        json_error_t problem;
        json_t *event = json_loadb(data + begin, length, JSON_REJECT_DUPLICATES, &problem);
        if (!event || !json_is_string(json_object_get(event, "event"))) {
            struct position position = {.file = path, .line = (int)number};
            error_at(error, ERROR_DATA, position, "this line of the journal is not an event: %s",
                     event ? "it has no \"event\"" : problem.text);
            json_decref(event);
            json_decref(events);
            return NULL;
        }
        json_array_append_new(events, event);
        begin += length + 1;
    }
    return events;
}

/* The name under which an event of a step is known, in `key`; false for events that have none. */
static bool journal_key(const json_t *event, struct text *key) {
    const char *stage = json_string_value(json_object_get(event, "stage"));
    const json_t *step = json_object_get(event, "step");
    if (!stage || !json_is_integer(step)) return false;
    text_clear(key);
    text_format(key, "%s/%s/%" JSON_INTEGER_FORMAT,
                json_string_value(json_object_get(event, "event")), stage,
                json_integer_value(step));
    return true;
}

static bool journal_is_rewind(const json_t *event) {
    return strcmp(json_string_value(json_object_get(event, "event")), "rewind") == 0;
}

/* Walks from the last event to the first, so that "superseded" is known when an event is met: by a
 * rewind seen so far with a smaller step, or by the same step seen already. */
static json_t *journal_supersede(const json_t *events) {
    size_t count = json_array_size(events);
    json_t *seen = json_object();
    json_t *limits = json_object(); /* stage -> the least step that a later rewind went back to */
    bool *keep = memory_allocate(count * sizeof *keep);
    struct text key = {0};
    for (size_t i = count; i-- > 0;) {
        json_t *event = json_array_get(events, i);
        keep[i] = !journal_is_rewind(event);
        if (!journal_key(event, &key)) continue;
        const char *stage = json_string_value(json_object_get(event, "stage"));
        json_int_t step = json_integer_value(json_object_get(event, "step"));
        const json_t *limit = json_object_get(limits, stage);
        if (!keep[i]) {
            if (!limit || step < json_integer_value(limit)) {
                json_object_set_new(limits, stage, json_integer(step));
            }
        } else if ((limit && step > json_integer_value(limit)) || json_object_get(seen, key.data)) {
            keep[i] = false;
        } else {
            json_object_set_new(seen, key.data, json_true());
        }
    }
    json_t *kept = json_array();
    for (size_t i = 0; i < count; i++) {
        if (keep[i]) json_array_append(kept, json_array_get(events, i));
    }
    memory_free(keep);
    text_free(&key);
    json_decref(seen);
    json_decref(limits);
    return kept;
}

json_t *journal_read(const char *path, struct error *error) {
    char *data;
    size_t size;
    if (!file_read(path, ERROR_DATA, &data, &size, error)) return NULL;
    json_t *events = journal_parse(path, data, size, error);
    memory_free(data);
    if (!events) return NULL;
    json_t *kept = journal_supersede(events);
    json_decref(events);
    return kept;
}

static bool journal_is(const json_t *event, const char *key, const char *value) {
    const char *text = json_string_value(json_object_get(event, key));
    return text && strcmp(text, value) == 0;
}

size_t journal_series(const json_t *events, const char *event, const char *stage, const char *field,
                      int index, double **x, double **y) {
    size_t total = json_array_size(events);
    size_t count = 0;
    *x = memory_allocate(total * sizeof **x);
    *y = memory_allocate(total * sizeof **y);
    for (size_t i = 0; i < total; i++) {
        const json_t *object = json_array_get(events, i);
        if (!journal_is(object, "event", event) || !journal_is(object, "stage", stage)) continue;
        const json_t *step = json_object_get(object, "step");
        const json_t *value = json_object_get(object, field);
        if (index >= 0) value = json_array_get(value, (size_t)index);
        if (!json_is_number(step) || !json_is_number(value)) continue;
        (*x)[count] = json_number_value(step);
        (*y)[count] = json_number_value(value);
        count++;
    }
    return count;
}
