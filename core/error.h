/* Errors are sentences: what went wrong, where, and what to do about it. */
#ifndef TAMIS_CORE_ERROR_H
#define TAMIS_CORE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* The values are the exit codes of the program. */
enum error_code {
    ERROR_NONE = 0,
    ERROR_FAILED = 1,       /* the work could not be done (disk full, loss not finite, ...) */
    ERROR_SPEC = 2,         /* wrong usage, spec, space or architecture */
    ERROR_DATA = 3,         /* missing or broken input data */
    ERROR_INTERRUPTED = 130 /* stopped by a signal, after a checkpoint */
};

/* A place in a text file; line and column count from 1, 0 means unknown. `file` is borrowed. */
struct position {
    const char *file;
    int line;
    int column;
};

enum { ERROR_TEXT_BYTES = 16384, ERROR_MAX_SENTENCES = 512 };

/*
 * Collects any number of sentences, one a line, so that all errors of a spec are reported in one
 * go. Zero-initialize it (`struct error error = {0};`). The code is that of the first error. Text
 * that does not fit is dropped and counted; `error_print` then says how many more there were.
 */
struct error {
    enum error_code code;
    int count; /* sentences added, the dropped ones included */
    int dropped;
    size_t length;                                 /* of `text`, without its final zero */
    unsigned char placed[ERROR_MAX_SENTENCES / 8]; /* bit i: sentence i begins with its position */
    char text[ERROR_TEXT_BYTES]; /* newlines between sentences, none after the last */
};

/* Adds one sentence (no newline at its end; control characters in it are replaced). Always returns
 * false, so that a function that failed can `return error_add(...)`. `error` may be NULL: the
 * sentence is then lost. */
bool error_add(struct error *error, enum error_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with "file:line:column: " before the sentence. Parts that are unknown are left out. */
bool error_at(struct error *error, enum error_code code, struct position position,
              const char *format, ...) __attribute__((format(printf, 4, 5)));

/* True if anything was added. */
bool error_is_set(const struct error *error);

/* Writes every sentence to standard error, each after "tamis: " when it has no position. */
void error_print(const struct error *error);

/* Forgets everything. */
void error_clear(struct error *error);

/* The candidate nearest to `word` by edit distance (with swaps), or NULL if none is near enough to
 * be suggested. `candidates` has `count` strings; the result is one of them. */
const char *error_nearest(const char *word, const char *const *candidates, size_t count);

#endif
