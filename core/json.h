/* JSON files and lines, on jansson. */
#ifndef TAMIS_CORE_JSON_H
#define TAMIS_CORE_JSON_H

#include "core/error.h"
#include <jansson.h>

/* Reads a file or text; NULL on error ("file:line:column: ..."). json_decref the result. */
json_t *json_read(const char *path, enum error_code code, struct error *error);
json_t *json_parse(const char *path, const char *text, size_t length, enum error_code code,
                   struct error *error);
/* Writes atomically, indented, keys in insertion order, doubles with 17 digits. */
bool json_write(const char *path, const json_t *value, struct error *error);
/* To standard output, indented, with a newline. */
void json_print(const json_t *value);
/* One compact line with a newline; free with memory_free. */
char *json_line(const json_t *value);
/* Numbers that JSON cannot hold (inf, nan) become null. */
json_t *json_number(double value);

#endif
