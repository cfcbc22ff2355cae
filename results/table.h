/* Tables for terminals and for Markdown. */
#ifndef TAMIS_RESULTS_TABLE_H
#define TAMIS_RESULTS_TABLE_H

#include "core/memory.h"
#include <stdbool.h>
#include <stddef.h>

enum table_align { TABLE_LEFT, TABLE_RIGHT }; /* texts left, numbers right */

/* Zero-initialize, then add columns, then rows. */
struct table {
    struct arena arena;
    struct table_column *columns;
    size_t column_count;
    size_t column_capacity;
    const char **cells; /* row after row */
    size_t cell_count;
    size_t cell_capacity;
};

struct table_column {
    const char *title;
    enum table_align align;
};

void table_column(struct table *table, const char *title, enum table_align align);
/* One cell after the other, row by row; copied; NULL is an empty cell. Line breaks and tabs become
 * spaces. A last row that is not full is filled up with empty cells. */
void table_cell(struct table *table, const char *text);
void table_cell_format(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Aligned text, at most `width` columns wide (0: no limit): long texts are cut with an ellipsis;
 * where even that is too wide, each row is printed as lines "title: value". New string, free with
 * memory_free. */
char *table_text(const struct table *table, int width);
/* A Markdown (GitHub) table. New string, free with memory_free. */
char *table_markdown(const struct table *table);
void table_free(struct table *table);

/* Columns of the terminal on standard output; 0 when it is not one. */
int table_terminal_width(void);

#endif
