/* Texts beside points of a plot, placed so that they do not lie on each other. */
#ifndef TAMIS_RESULTS_LABEL_H
#define TAMIS_RESULTS_LABEL_H

#include <stddef.h>

struct label_box { /* pixels, y downwards */
    double left;
    double top;
    double right;
    double bottom;
};

/* Zero-initialize but for the bounds, which labels stay within where they can. */
struct label_places {
    double left;
    double right;
    double top;
    double bottom;
    struct label_box *boxes;
    size_t count;
    size_t capacity;
};

/* About how wide a text is in the page's sans-serif font of this size, in pixels. */
double label_width(const char *text, double font);
/* Takes a place, so that no label is put there. */
void label_occupy(struct label_places *places, struct label_box box);
/* The place for a text near (x, y), which is then occupied: right of it, left, above or below,
 * whichever overlaps least. Its baseline is 4 pixels above the bottom. */
struct label_box label_place(struct label_places *places, double x, double y, const char *text,
                             double font);
void label_free(struct label_places *places);

#endif
