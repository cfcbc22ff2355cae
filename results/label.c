#include "results/label.h"

#include "core/memory.h"
#include "results/text.h"
#include <math.h>
#include <string.h>

double label_width(const char *text, double font) {
    double width = 0;
    while (*text) {
        unsigned code;
        text += text_decode(text, &code);
        /* Classes of Helvetica-like fonts, in fractions of the font size. */
        double share = 0.61;
        if (code < 0x80) {
            if (strchr("iljtf.,:;'|!()[]I ", (int)code)) {
                share = 0.34;
            } else if (strchr("mwMW%@", (int)code)) {
                share = 0.92;
            } else if (code >= 'A' && code <= 'Z') {
                share = 0.68;
            }
        } else if (code >= 0x1100) {
            share = code >= 0x2E80 ? 1.0 : 0.7;
        }
        width += share * font;
    }
    return width;
}

void label_occupy(struct label_places *places, struct label_box box) {
    memory_grow(places->boxes, places->count, places->capacity);
    places->boxes[places->count++] = box;
}

/* The area of the box that lies on others or outside the bounds. */
static double label_overlap(const struct label_places *places, struct label_box box) {
    double width = box.right - box.left;
    double height = box.bottom - box.top;
    double area = 0;
    double inside_x = fmin(box.right, places->right) - fmax(box.left, places->left);
    double inside_y = fmin(box.bottom, places->bottom) - fmax(box.top, places->top);
    /* To be cut off by the edge is worse than to lie on something. */
    area += 3 * (width * height - fmax(inside_x, 0) * fmax(inside_y, 0));
    for (size_t i = 0; i < places->count; i++) {
        const struct label_box *other = &places->boxes[i];
        double common_x = fmin(box.right, other->right) - fmax(box.left, other->left);
        double common_y = fmin(box.bottom, other->bottom) - fmax(box.top, other->top);
        if (common_x > 0 && common_y > 0) area += common_x * common_y;
    }
    return area;
}

struct label_box label_place(struct label_places *places, double x, double y, const char *text,
                             double font) {
    double width = label_width(text, font);
    double height = font + 4;
    double half = height / 2;
    const struct label_box choices[] = {
        {x + 9, y - half, x + 9 + width, y + half},
        {x - 9 - width, y - half, x - 9, y + half},
        {x - width / 2, y - 8 - height, x + width / 2, y - 8},
        {x - width / 2, y + 8, x + width / 2, y + 8 + height},
        {x + 6, y - 5 - height, x + 6 + width, y - 5},
        {x + 6, y + 5, x + 6 + width, y + 5 + height},
        {x - 6 - width, y - 5 - height, x - 6, y - 5},
        {x - 6 - width, y + 5, x - 6, y + 5 + height},
        {x + 9, y - 8 - 2 * height, x + 9 + width, y - 8 - height},
        {x + 9, y + 8 + height, x + 9 + width, y + 8 + 2 * height},
    };
    struct label_box best = choices[0];
    double least = INFINITY;
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        double overlap = label_overlap(places, choices[i]);
        if (overlap < least - 1e-9) {
            least = overlap;
            best = choices[i];
        }
    }
    label_occupy(places, best);
    return best;
}

void label_free(struct label_places *places) {
    memory_free(places->boxes);
    *places = (struct label_places){0};
}
