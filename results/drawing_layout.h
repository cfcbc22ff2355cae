/* Where the nodes of a drawing go: layers, their order, positions, and the folding of long networks
 * into columns side by side. */
#ifndef TAMIS_RESULTS_DRAWING_LAYOUT_H
#define TAMIS_RESULTS_DRAWING_LAYOUT_H

#include "results/drawing.h"

struct layout_node {
    double x; /* centre, pixels */
    double y;
    double width;
    double height;
    size_t layer;
    size_t place; /* in its layer */
    size_t column;
    bool
        bend; /* not a node of the drawing but where a long edge passes, straight over its height */
};

/* A piece of an edge between neighbouring layers. */
struct layout_segment {
    size_t from; /* layout nodes */
    size_t to;
    size_t edge; /* of the drawing */
};

struct layout_layer {
    size_t *nodes; /* in order from left to right */
    size_t count;
    size_t column;
};

struct layout_column {
    double left;
    double right;
    double top;
    double bottom; /* of the last node */
};

struct drawing_layout {
    struct layout_node *nodes; /* first those of the drawing in its order, then the bends */
    size_t node_count;
    struct layout_segment *segments; /* edge after edge, each from top to bottom */
    size_t segment_count;
    struct layout_layer *layers;
    size_t layer_count;
    struct layout_column *columns;
    size_t column_count;
    double width; /* of the whole drawing */
    double height;
};

/* False with a sentence for a cycle or an index out of range. */
bool drawing_layout_make(const struct drawing *drawing, struct drawing_layout *layout,
                         struct error *error);
void drawing_layout_free(struct drawing_layout *layout);

/* Sets x of every node (centres, the least box at 0): straight where it can be, boxes apart. Part
 * of drawing_layout_make. */
void layout_straighten(struct drawing_layout *layout);

enum {
    LAYOUT_GAP = 16,    /* between boxes of a layer */
    LAYOUT_BOX = 26,    /* height of a box with a label alone */
    LAYOUT_LINE = 14,   /* of each line below the label */
    LAYOUT_ROW = 62,    /* from one layer to the next, where no box has more than one such line */
    LAYOUT_TRACK = 7,   /* between edges that run side by side from one column to the next */
    LAYOUT_MARGIN = 12, /* around the drawing */
    LAYOUT_LABEL_FONT = 12
};

#endif
