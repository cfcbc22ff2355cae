#include "core/error.h"
#include "core/log.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* One sentence is one line on the terminal, whatever a hostile file put into a quoted name. */
static void replace_control_characters(char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '\n' || c == '\t' || c == '\r')
            *text = ' ';
        else if (c < 0x20 || c == 0x7f)
            *text = '?';
    }
}

/* Appends what fits; returns the length that the whole text needs. */
static size_t append(char *buffer, size_t size, size_t at, const char *format, va_list arguments) {
    size_t room = at < size ? size - at : 0;
    int length = vsnprintf(room ? buffer + at : NULL, room, format, arguments);
    return at + (length > 0 ? (size_t)length : 0);
}

__attribute__((format(printf, 4, 5))) static size_t
append_format(char *buffer, size_t size, size_t at, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    size_t end = append(buffer, size, at, format, arguments);
    va_end(arguments);
    return end;
}

static void add(struct error *error, enum error_code code, const struct position *position,
                const char *format, va_list arguments) {
    if (!error) return;
    if (error->code == ERROR_NONE) error->code = code;
    error->count++;
    size_t start = error->length;
    size_t size = sizeof error->text;
    int index = error->count - error->dropped - 1;
    if (error->dropped > 0 || index >= ERROR_MAX_SENTENCES) {
        error->dropped++;
        return;
    }

    size_t end = start;
    if (start > 0) end = append_format(error->text, size, end, "\n");
    size_t sentence = end;
    bool placed = position && position->file;
    if (placed) {
        end = append_format(error->text, size, end, "%s:", position->file);
        if (position->line > 0) end = append_format(error->text, size, end, "%d:", position->line);
        if (position->line > 0 && position->column > 0)
            end = append_format(error->text, size, end, "%d:", position->column);
        end = append_format(error->text, size, end, " ");
    }
    end = append(error->text, size, end, format, arguments);
    if (end >= size) {
        if (start > 0) {
            error->text[start] = '\0';
            error->dropped++;
            return;
        }
        end = size - 1; /* a single sentence that is too long is cut rather than lost */
    }
    replace_control_characters(error->text + sentence);
    error->length = end;
    if (placed) error->placed[index / 8] |= (unsigned char)(1 << index % 8);
}

bool error_add(struct error *error, enum error_code code, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    add(error, code, NULL, format, arguments);
    va_end(arguments);
    return false;
}

bool error_at(struct error *error, enum error_code code, struct position position,
              const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    add(error, code, &position, format, arguments);
    va_end(arguments);
    return false;
}

bool error_is_set(const struct error *error) {
    return error && error->count > 0;
}

void error_print(const struct error *error) {
    if (!error_is_set(error)) return;
    const char *line = error->text;
    for (int index = 0; *line; index++) {
        size_t length = strcspn(line, "\n");
        bool placed = error->placed[index / 8] >> index % 8 & 1;
        log_error("%s%.*s", placed ? "" : "tamis: ", (int)length, line);
        line += length;
        if (*line) line++;
    }
    if (error->dropped > 0)
        log_error("tamis: and %d more %s", error->dropped,
                  error->dropped == 1 ? "error" : "errors");
}

void error_clear(struct error *error) {
    memset(error, 0, sizeof *error);
}

enum { NEAREST_MAX_LENGTH = 63 };

/* Optimal string alignment distance: insertions, deletions, substitutions and swaps of neighbours
 * count one each. Case is ignored. */
static size_t edit_distance(const char *a, size_t a_length, const char *b, size_t b_length) {
    size_t rows[3][NEAREST_MAX_LENGTH + 1];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *two_above = rows[(i + 1) % 3];
        int a_here = tolower((unsigned char)a[i - 1]);
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            int b_here = tolower((unsigned char)b[j - 1]);
            size_t best = above[j - 1] + (a_here != b_here);
            if (above[j] + 1 < best) best = above[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a_here == tolower((unsigned char)b[j - 2]) &&
                tolower((unsigned char)a[i - 2]) == b_here && two_above[j - 2] + 1 < best)
                best = two_above[j - 2] + 1;
            row[j] = best;
        }
    }
    return rows[a_length % 3][b_length];
}

const char *error_nearest(const char *word, const char *const *candidates, size_t count) {
    if (!word) return NULL;
    size_t length = strlen(word);
    if (length == 0 || length > NEAREST_MAX_LENGTH) return NULL;
    const char *nearest = NULL;
    size_t nearest_distance = 0;
    for (size_t i = 0; i < count; i++) {
        size_t candidate_length = strlen(candidates[i]);
        if (candidate_length > NEAREST_MAX_LENGTH) continue;
        size_t distance = edit_distance(word, length, candidates[i], candidate_length);
        size_t longest = length > candidate_length ? length : candidate_length;
        /* A third of the letters may be wrong; a short word may have one wrong, but not all. */
        size_t limit = longest / 3 > 1 ? longest / 3 : 1;
        if (distance > limit || distance >= longest) continue;
        if (!nearest || distance < nearest_distance) {
            nearest = candidates[i];
            nearest_distance = distance;
        }
    }
    return nearest;
}
