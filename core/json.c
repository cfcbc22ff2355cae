#include "core/json.h"
#include "core/file.h"
#include "core/memory.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const size_t indented = JSON_INDENT(2) | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY;
static const size_t compact = JSON_COMPACT | JSON_REAL_PRECISION(17) | JSON_ENCODE_ANY;

json_t *json_parse(const char *path, const char *text, size_t length, enum error_code code,
                   struct error *error) {
    json_error_t problem;
    json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &problem);
    if (!value) {
        struct position position = {path, problem.line, problem.column > 0 ? problem.column : 1};
        error_at(error, code, position, "not valid JSON: %s", problem.text);
    }
    return value;
}

json_t *json_read(const char *path, enum error_code code, struct error *error) {
    char *text;
    size_t length;
    if (!file_read(path, code, &text, &length, error)) return NULL;
    json_t *value = json_parse(path, text, length, code, error);
    memory_free(text);
    return value;
}

/* The text with a newline; NULL when jansson could not (a cycle, or no memory). */
static char *dump(const json_t *value, size_t flags) {
    char *text = json_dumps(value, flags);
    if (!text) return NULL;
    size_t length = strlen(text);
    char *line = memory_allocate(length + 2);
    memcpy(line, text, length);
    line[length] = '\n';
    free(text);
    return line;
}

bool json_write(const char *path, const json_t *value, struct error *error) {
    char *text = dump(value, indented);
    if (!text) return error_add(error, ERROR_FAILED, "cannot write \"%s\" as JSON", path);
    bool written = file_write(path, text, strlen(text), error);
    memory_free(text);
    return written;
}

void json_print(const json_t *value) {
    char *text = dump(value, indented);
    if (text) fputs(text, stdout);
    fflush(stdout);
    memory_free(text);
}

char *json_line(const json_t *value) {
    return dump(value, compact);
}

json_t *json_number(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}
