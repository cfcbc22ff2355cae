#include "results/table.h"

#include "results/text.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { TABLE_GAP = 2, TABLE_NARROWEST = 8 };

void table_column(struct table *table, const char *title, enum table_align align) {
    memory_grow(table->columns, table->column_count, table->column_capacity);
    table->columns[table->column_count++] =
        (struct table_column){arena_copy(&table->arena, title), align};
}

void table_cell(struct table *table, const char *text) {
    char *copy = arena_copy(&table->arena, text ? text : "");
    for (char *c = copy; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7F) *c = ' ';
    }
    memory_grow(table->cells, table->cell_count, table->cell_capacity);
    table->cells[table->cell_count++] = copy;
}

void table_cell_format(struct table *table, const char *format, ...) {
    char buffer[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(buffer, sizeof buffer, format, arguments);
    va_end(arguments);
    table_cell(table, buffer);
}

static size_t table_rows(const struct table *table) {
    if (table->column_count == 0) return 0;
    return (table->cell_count + table->column_count - 1) / table->column_count;
}

static const char *table_at(const struct table *table, size_t row, size_t column) {
    size_t index = row * table->column_count + column;
    return index < table->cell_count ? table->cells[index] : "";
}

static void add_spaces(struct text *out, size_t count) {
    while (count-- > 0)
        text_add(out, " ");
}

/* The text in exactly `width` columns; cut with an ellipsis where it is longer. */
static void add_fitted(struct text *out, const char *cell, size_t width, enum table_align align) {
    size_t columns = text_columns(cell);
    if (columns <= width) {
        if (align == TABLE_RIGHT) add_spaces(out, width - columns);
        text_add(out, cell);
        if (align == TABLE_LEFT) add_spaces(out, width - columns);
        return;
    }
    size_t used = 0;
    while (*cell) {
        unsigned code;
        size_t length = text_decode(cell, &code);
        char one[5] = "";
        memcpy(one, cell, length);
        size_t more = text_columns(one);
        if (used + more > width - 1) break;
        text_add(out, one);
        used += more;
        cell += length;
    }
    text_add(out, "…");
    add_spaces(out, width - 1 - used);
}

static size_t table_measure(const struct table *table, size_t *widths) {
    size_t rows = table_rows(table);
    size_t total = 0;
    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = text_columns(table->columns[c].title);
        for (size_t r = 0; r < rows; r++) {
            size_t columns = text_columns(table_at(table, r, c));
            if (columns > widths[c]) widths[c] = columns;
        }
        total += widths[c] + (c ? TABLE_GAP : 0);
    }
    return total;
}

/* Takes columns from the widest text until the table fits; false where it cannot. */
static bool table_shrink(const struct table *table, size_t *widths, size_t total, size_t width) {
    while (total > width) {
        size_t widest = table->column_count;
        for (size_t c = 0; c < table->column_count; c++) {
            if (table->columns[c].align != TABLE_LEFT || widths[c] <= TABLE_NARROWEST) continue;
            if (widest == table->column_count || widths[c] > widths[widest]) widest = c;
        }
        if (widest == table->column_count) return false;
        widths[widest]--;
        total--;
    }
    return true;
}

static void table_line(const struct table *table, struct text *out, const size_t *widths,
                       bool title, size_t row) {
    for (size_t c = 0; c < table->column_count; c++) {
        if (c) add_spaces(out, TABLE_GAP);
        const char *cell = title ? table->columns[c].title : table_at(table, row, c);
        add_fitted(out, cell, widths[c], table->columns[c].align);
    }
    while (out->length > 0 && out->data[out->length - 1] == ' ')
        out->data[--out->length] = '\0';
    text_add(out, "\n");
}

static void table_records(const struct table *table, struct text *out) {
    size_t widest = 0;
    for (size_t c = 0; c < table->column_count; c++) {
        size_t columns = text_columns(table->columns[c].title);
        if (columns > widest) widest = columns;
    }
    for (size_t r = 0; r < table_rows(table); r++) {
        if (r) text_add(out, "\n");
        for (size_t c = 0; c < table->column_count; c++) {
            const char *title = table->columns[c].title;
            text_format(out, "%s:", title);
            add_spaces(out, widest - text_columns(title) + 1);
            text_format(out, "%s\n", table_at(table, r, c));
        }
    }
}

char *table_text(const struct table *table, int width) {
    struct text out = {0};
    if (table->column_count == 0) return text_take(&out);
    size_t *widths = memory_allocate(table->column_count * sizeof *widths);
    size_t total = table_measure(table, widths);
    if (width > 0 && !table_shrink(table, widths, total, (size_t)width)) {
        table_records(table, &out);
    } else {
        table_line(table, &out, widths, true, 0);
        for (size_t c = 0; c < table->column_count; c++) {
            if (c) add_spaces(&out, TABLE_GAP);
            for (size_t i = 0; i < widths[c]; i++)
                text_add(&out, "─");
        }
        text_add(&out, "\n");
        for (size_t r = 0; r < table_rows(table); r++)
            table_line(table, &out, widths, false, r);
    }
    memory_free(widths);
    return text_take(&out);
}

static void add_markdown_cell(struct text *out, const char *cell) {
    text_add(out, " ");
    for (; *cell; cell++) {
        if (*cell == '|' || *cell == '\\') text_add(out, "\\");
        text_add_bytes(out, cell, 1);
    }
    text_add(out, " |");
}

char *table_markdown(const struct table *table) {
    struct text out = {0};
    if (table->column_count == 0) return text_take(&out);
    text_add(&out, "|");
    for (size_t c = 0; c < table->column_count; c++)
        add_markdown_cell(&out, table->columns[c].title);
    text_add(&out, "\n|");
    for (size_t c = 0; c < table->column_count; c++)
        text_add(&out, table->columns[c].align == TABLE_RIGHT ? " ---: |" : " --- |");
    text_add(&out, "\n");
    for (size_t r = 0; r < table_rows(table); r++) {
        text_add(&out, "|");
        for (size_t c = 0; c < table->column_count; c++)
            add_markdown_cell(&out, table_at(table, r, c));
        text_add(&out, "\n");
    }
    return text_take(&out);
}

void table_free(struct table *table) {
    arena_free(&table->arena);
    memory_free(table->columns);
    memory_free(table->cells);
    *table = (struct table){0};
}

int table_terminal_width(void) {
    struct winsize size;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}
