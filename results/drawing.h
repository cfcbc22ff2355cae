/* A network drawn in layers from top to bottom, from facts alone. */
#ifndef TAMIS_RESULTS_DRAWING_H
#define TAMIS_RESULTS_DRAWING_H

#include "core/error.h"
#include "results/text.h"
#include <stdbool.h>
#include <stddef.h>

struct drawing_node {
    const char *id;     /* unique; the node's name in DOT */
    const char *label;  /* "conv 3x3" */
    const char *detail; /* below it, one line or several: "48 → 48 · 4 bit"; NULL for none */
    const char *kind; /* the operation's class, which chooses the colour: "input", "output", "conv",
                         "activation", "norm", "add", "concat", "shuffle", ...; NULL for none */
    bool slot;        /* a choice that is or was searched; drawn with a strong frame */
};

struct drawing_edge {
    size_t from; /* indices of nodes */
    size_t to;
    bool optional; /* one of several connections, of which one is chosen; drawn dashed */
};

struct drawing {
    const char *title; /* for screen readers */
    const struct drawing_node *nodes;
    size_t node_count;
    const struct drawing_edge *edges;
    size_t edge_count;
};

/*
 * Adds the <svg> element: layers by longest path from the inputs, order in a layer by barycentre
 * sweeps (Sugiyama, Tagawa, Toda, "Methods for visual understanding of hierarchical system
 * structures", 1981), chains and long edges straight. Needs svg_style_write
 * once a page. False with an ERROR_FAILED sentence for a cycle or an index out of range; nothing is
 * added then.
 */
bool drawing_svg(struct text *out, const struct drawing *drawing, struct error *error);
/* The drawing as an SVG file of its own. New string (memory_free) or NULL. */
char *drawing_svg_file(const struct drawing *drawing, struct error *error);
/* The text for Graphviz. */
void drawing_dot(struct text *out, const struct drawing *drawing);

#endif
