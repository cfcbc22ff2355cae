#include "results/text.h"

#include "core/memory.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void text_reserve(struct text *text, size_t more) {
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity) return;
    size_t capacity = text->capacity ? text->capacity * 2 : 256;
    if (capacity < needed) capacity = needed;
    text->data = memory_resize(text->data, text->capacity, capacity);
    text->capacity = capacity;
}

void text_add_bytes(struct text *text, const char *bytes, size_t count) {
    text_reserve(text, count);
    if (count) memcpy(text->data + text->length, bytes, count);
    text->length += count;
    text->data[text->length] = '\0';
}

void text_add(struct text *text, const char *more) {
    text_add_bytes(text, more, strlen(more));
}

void text_format(struct text *text, const char *format, ...) {
    char few[256];
    va_list arguments;
    va_list again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(few, sizeof few, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < sizeof few) {
        text_add_bytes(text, few, (size_t)length);
    } else if (length > 0) {
        text_reserve(text, (size_t)length);
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
}

size_t text_decode(const char *text, unsigned *code) {
    const unsigned char *bytes = (const unsigned char *)text;
    *code = 0xFFFD;
    if (bytes[0] < 0x80) {
        *code = bytes[0];
        return 1;
    }
    size_t length = bytes[0] >= 0xF0 ? 4 : bytes[0] >= 0xE0 ? 3 : 2;
    if (bytes[0] < 0xC2 || bytes[0] > 0xF4) return 1;
    unsigned value = bytes[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        /* The terminating NUL is no continuation byte, so this never reads past the end. */
        if ((bytes[i] & 0xC0) != 0x80) return 1;
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
    static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (value < least[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return 1;
    *code = value;
    return length;
}

void text_add_escaped(struct text *text, const char *more) {
    if (!more) return;
    while (*more) {
        unsigned code;
        size_t length = text_decode(more, &code);
        bool control =
            (code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7F && code < 0xA0);
        if (code == '&') {
            text_add(text, "&amp;");
        } else if (code == '<') {
            text_add(text, "&lt;");
        } else if (code == '>') {
            text_add(text, "&gt;");
        } else if (code == '"') {
            text_add(text, "&quot;");
        } else if (code == '\'') {
            text_add(text, "&#39;");
        } else if (control || code == 0xFFFD || code == 0xFFFE || code == 0xFFFF) {
            text_add(text, "\xEF\xBF\xBD");
        } else {
            text_add_bytes(text, more, length);
        }
        more += length;
    }
}

void text_add_base64(struct text *text, const void *bytes, size_t count) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = bytes;
    text_reserve(text, (count + 2) / 3 * 4);
    for (size_t i = 0; i < count; i += 3) {
        size_t left = count - i;
        uint32_t group = (uint32_t)in[i] << 16;
        if (left > 1) group |= (uint32_t)in[i + 1] << 8;
        if (left > 2) group |= in[i + 2];
        char out[4] = {digits[group >> 18], digits[group >> 12 & 63], '=', '='};
        if (left > 1) out[2] = digits[group >> 6 & 63];
        if (left > 2) out[3] = digits[group & 63];
        text_add_bytes(text, out, 4);
    }
}

void text_clear(struct text *text) {
    text->length = 0;
    if (text->data) text->data[0] = '\0';
}

char *text_take(struct text *text) {
    if (!text->data) text_add(text, "");
    char *data = text->data;
    *text = (struct text){0};
    return data;
}

void text_free(struct text *text) {
    memory_free(text->data);
    *text = (struct text){0};
}

struct range {
    unsigned first;
    unsigned last;
};

static bool range_has(const struct range *ranges, size_t count, unsigned code) {
    for (size_t i = 0; i < count; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last) return true;
    }
    return false;
}

size_t text_columns(const char *text) {
    /* Unicode 15, coarsened: combining marks and format characters; East Asian wide and fullwidth.
     */
    static const struct range none[] = {{0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD},
                                        {0x0610, 0x061A}, {0x064B, 0x065F}, {0x1AB0, 0x1AFF},
                                        {0x1DC0, 0x1DFF}, {0x200B, 0x200F}, {0x20D0, 0x20FF},
                                        {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}, {0xFEFF, 0xFEFF}};
    static const struct range wide[] = {{0x1100, 0x115F},   {0x2E80, 0x303E},   {0x3041, 0x4DBF},
                                        {0x4E00, 0xA4CF},   {0xAC00, 0xD7A3},   {0xF900, 0xFAFF},
                                        {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},
                                        {0x1F300, 0x1F64F}, {0x1F680, 0x1F6FF}, {0x1F900, 0x1F9FF},
                                        {0x20000, 0x3FFFD}};
    size_t columns = 0;
    while (*text) {
        unsigned code;
        text += text_decode(text, &code);
        if (code < 0x300) {
            columns++;
        } else if (range_has(wide, sizeof wide / sizeof *wide, code)) {
            columns += 2;
        } else if (!range_has(none, sizeof none / sizeof *none, code)) {
            columns++;
        }
    }
    return columns;
}
