/* The formats that `tamis export` writes: one table. */
#ifndef TAMIS_CLI_EXPORT_FORMATS_H
#define TAMIS_CLI_EXPORT_FORMATS_H

#include "cli/finished.h"

struct export_format {
    const char *name;    /* as --format takes it */
    const char *ending;  /* of its files; the first format of an ending is the one that it means */
    const char *meaning; /* one line for `tamis list formats` */
    enum finished_weights weights;
    /* Writes the file, or nothing with a sentence. */
    bool (*write)(const struct finished *finished, const char *path, struct error *error);
    /* A second file that it writes; free with memory_free. NULL: none. */
    char *(*beside)(const char *path);
    /* Whether that one is there already as it would be written; NULL: it never is. */
    bool (*has_beside)(const struct finished *finished, const char *beside);
};
extern const struct export_format export_formats[];
extern const int export_format_count;

#endif
