/* A text that grows: what tables, drawings and pages are written into. */
#ifndef TAMIS_RESULTS_TEXT_H
#define TAMIS_RESULTS_TEXT_H

#include <stddef.h>

/* Zero-initialize. `data` is NULL or NUL-terminated; free with text_free. */
struct text {
    char *data;
    size_t length;
    size_t capacity;
};

void text_add(struct text *text, const char *more);
void text_add_bytes(struct text *text, const char *bytes, size_t count);
void text_format(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Adds `more` so that it is safe as content or attribute of HTML, XML and SVG: the five special
 * characters become entities, control characters and bytes that are not UTF-8 become U+FFFD. NULL
 * adds nothing. */
void text_add_escaped(struct text *text, const char *more);
/* RFC 4648 base64 with padding. */
void text_add_base64(struct text *text, const void *bytes, size_t count);
/* Sets the length to 0 and keeps the memory. */
void text_clear(struct text *text);
/* Gives the content away (an empty text gives ""); free with memory_free. */
char *text_take(struct text *text);
void text_free(struct text *text);

/* Reads one UTF-8 character; returns its length in bytes (1 for an invalid byte, and *code is then
 * 0xFFFD). `text` must not be at its end. */
size_t text_decode(const char *text, unsigned *code);
/* Columns that a UTF-8 text takes on a terminal: combining marks 0, East Asian wide characters and
 * pictographs 2, all else 1. */
size_t text_columns(const char *text);

#endif
