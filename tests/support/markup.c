#include "tests/support/markup.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { DEEPEST = 64, LONGEST = 24 };

static bool is_void(const char *name) {
    return strcmp(name, "meta") == 0 || strcmp(name, "img") == 0 || strcmp(name, "br") == 0;
}

/* Walks over the attributes to the '>'; *closed is set for "/>". */
static const char *skip_attributes(const char *text, bool *closed) {
    *closed = false;
    while (*text != '>') {
        if (*text == '\0' || *text == '<') fail_msg("a tag has no end");
        if (*text == '=' && text[1] != '"') fail_msg("an attribute is not quoted: %.40s", text);
        if (*text == '"') {
            for (text++; *text != '"'; text++) {
                if (*text == '\0' || *text == '<') fail_msg("an attribute has no end");
            }
        }
        *closed = *text == '/';
        text++;
    }
    return text + 1;
}

static void check_entity(const char *text) {
    const char *end = strchr(text, ';');
    if (!end || end - text > 8) fail_msg("a lone '&': %.40s", text);
}

void markup_check(const char *text) {
    char open[DEEPEST][LONGEST];
    int depth = 0;
    while (*text) {
        if (*text == '&') check_entity(text);
        if (*text != '<') {
            text++;
            continue;
        }
        if (strncmp(text, "<!DOCTYPE html>", 15) == 0) {
            text += 15;
            continue;
        }
        bool closing = text[1] == '/';
        text += closing ? 2 : 1;
        char name[LONGEST] = "";
        for (int i = 0; isalnum((unsigned char)*text) && i + 1 < LONGEST; i++)
            name[i] = *text++;
        if (!*name) fail_msg("a lone '<': %.40s", text);
        bool closed;
        text = skip_attributes(text, &closed);
        if (closing) {
            if (depth == 0 || strcmp(open[depth - 1], name) != 0) {
                fail_msg("</%s> closes <%s>", name, depth ? open[depth - 1] : "");
            }
            depth--;
        } else if (!closed && !is_void(name)) {
            if (depth == DEEPEST) fail_msg("too deep");
            snprintf(open[depth++], LONGEST, "%s", name);
            /* The style sheet is no markup. */
            if (strcmp(name, "style") == 0) text = strstr(text, "</style>");
            assert_non_null(text);
        }
    }
    if (depth) fail_msg("<%s> is not closed", open[depth - 1]);
}

size_t markup_count(const char *text, const char *part) {
    size_t count = 0;
    while ((text = strstr(text, part))) {
        count++;
        text += strlen(part);
    }
    return count;
}
