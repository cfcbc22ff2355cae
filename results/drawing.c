#include "results/drawing.h"

#include "core/memory.h"
#include "results/drawing_layout.h"
#include "results/svg.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The colour of a class of operations, an index of the palette of svg.h. */
static int kind_color(const char *kind) {
    static const struct {
        const char *kind;
        int color;
    } colors[] = {{"conv", 0},   {"depthwise", 5}, {"activation", 4}, {"add", 2},
                  {"concat", 2}, {"multiply", 2},  {"split", 2},      {"shuffle", 3},
                  {"resize", 3}, {"pool", 3},      {"attention", 6},  {"identity", 7},
                  {"norm", 7},   {"input", 1},     {"output", 1}};
    for (size_t i = 0; kind && i < sizeof colors / sizeof *colors; i++) {
        if (strcmp(kind, colors[i].kind) == 0) return colors[i].color;
    }
    return 7;
}

static void write_node(struct text *out, const struct drawing_node *node,
                       const struct layout_node *place) {
    int color = kind_color(node->kind);
    text_format(
        out,
        "<g><rect class=\"%s s%d f%d\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
        "rx=\"6\"/>",
        node->slot ? "slot" : "node", color, color, place->x - place->width / 2,
        place->y - place->height / 2, place->width, place->height);
    double y = place->y - place->height / 2 + 17;
    text_format(out, "<text class=\"t\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", place->x,
                y);
    text_add_escaped(out, node->label);
    text_add(out, "</text>");
    y += 1;
    for (const char *line = node->detail; line; line = *line ? line + 1 : NULL) {
        struct text part = {0};
        size_t length = strcspn(line, "\n");
        y += LAYOUT_LINE;
        text_add_bytes(&part, line, length);
        text_format(out,
                    "<text class=\"t soft small\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">",
                    place->x, y);
        text_add_escaped(out, part.data ? part.data : "");
        text_add(out, "</text>");
        text_free(&part);
        line += length;
    }
    text_add(out, "<title>");
    text_add_escaped(out, node->id);
    text_add(out, "</title></g>\n");
}

/* An edge that leaves a column runs on a track of its own below the column, up between the columns
 * and into the next one. The edge that starts furthest right takes the innermost track, so they
 * nest. */
static void write_turn(struct text *out, const struct drawing_layout *layout, double to_x,
                       double to_y, size_t column, size_t rank, size_t total) {
    const struct layout_column *left = &layout->columns[column];
    const struct layout_column *right = &layout->columns[column + 1];
    double below = left->bottom + 12 + (double)rank * LAYOUT_TRACK;
    double between = left->right + 16 + (double)rank * LAYOUT_TRACK;
    double above = right->top - 14 - (double)(total - 1 - rank) * LAYOUT_TRACK;
    text_format(out, "V%.1fH%.1fV%.1fH%.1fV%.1f", below, between, above, to_x, to_y);
}

/* How many edges that turn below the same layer start further right, or as far right but end so. */
static size_t turn_rank(const struct drawing_layout *layout, size_t segment, size_t *total) {
    const struct layout_segment *mine = &layout->segments[segment];
    const struct layout_node *from = &layout->nodes[mine->from];
    const struct layout_node *to = &layout->nodes[mine->to];
    size_t rank = 0;
    *total = 0;
    for (size_t s = 0; s < layout->segment_count; s++) {
        const struct layout_node *other = &layout->nodes[layout->segments[s].from];
        const struct layout_node *end = &layout->nodes[layout->segments[s].to];
        if (other->layer != from->layer) continue;
        (*total)++;
        if (other->place > from->place || (other->place == from->place && end->place > to->place)) {
            rank++;
        }
    }
    return rank;
}

static void write_edge(struct text *out, const struct drawing_layout *layout, size_t first,
                       size_t last, bool optional) {
    const struct layout_node *node = &layout->nodes[layout->segments[first].from];
    double y = node->y + node->height / 2;
    text_format(out, "<path class=\"edge%s\" d=\"M%.1f,%.1f", optional ? " optional" : "", node->x,
                y);
    for (size_t s = first; s <= last; s++) {
        const struct layout_node *to = &layout->nodes[layout->segments[s].to];
        /* An arrow's head needs its room. */
        double to_y = to->y - to->height / 2 - (to->bend ? 0 : 5);
        if (to->column != node->column) {
            size_t total;
            size_t rank = turn_rank(layout, s, &total);
            write_turn(out, layout, to->x, to_y, node->column, rank, total);
        } else if (fabs(to->x - node->x) < 0.5) {
            text_format(out, "L%.1f,%.1f", to->x, to_y);
        } else {
            double middle = (y + to_y) / 2;
            text_format(out, "C%.1f,%.1f %.1f,%.1f %.1f,%.1f", node->x, middle, to->x, middle,
                        to->x, to_y);
        }
        node = to;
        y = to->y + to->height / 2;
        if (to->bend) text_format(out, "V%.1f", y);
    }
    text_format(out, "\"/><path class=\"head\" d=\"M%.1f,%.1fl-3.5,-6h7z\"/>\n", node->x,
                node->y - node->height / 2);
}

bool drawing_svg(struct text *out, const struct drawing *drawing, struct error *error) {
    struct drawing_layout layout;
    if (!drawing_layout_make(drawing, &layout, error)) {
        drawing_layout_free(&layout);
        return false;
    }
    text_format(
        out,
        "<svg class=\"drawing\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
        "width=\"%.0f\" height=\"%.0f\" role=\"img\">\n<title>",
        ceil(layout.width), ceil(layout.height), ceil(layout.width), ceil(layout.height));
    text_add_escaped(out, drawing->title ? drawing->title : "network");
    text_add(out, "</title>\n");
    for (size_t s = 0; s < layout.segment_count;) {
        size_t last = s;
        while (last + 1 < layout.segment_count &&
               layout.segments[last + 1].edge == layout.segments[s].edge)
            last++;
        write_edge(out, &layout, s, last, drawing->edges[layout.segments[s].edge].optional);
        s = last + 1;
    }
    for (size_t i = 0; i < drawing->node_count; i++)
        write_node(out, &drawing->nodes[i], &layout.nodes[i]);
    text_add(out, "</svg>\n");
    drawing_layout_free(&layout);
    return true;
}

char *drawing_svg_file(const struct drawing *drawing, struct error *error) {
    struct text element = {0};
    if (!drawing_svg(&element, drawing, error)) return NULL;
    char *file = svg_file(&element);
    text_free(&element);
    return file;
}

/* A quoted DOT text: quotes and backslashes escaped, line breaks written as \n. */
static void add_dot_text(struct text *out, const char *more) {
    for (; more && *more; more++) {
        if (*more == '"' || *more == '\\') text_add(out, "\\");
        if (*more == '\n') {
            text_add(out, "\\n");
        } else {
            text_add_bytes(out, more, 1);
        }
    }
}

void drawing_dot(struct text *out, const struct drawing *drawing) {
    text_add(out, "digraph network {\n  rankdir=TB;\n  node [shape=box, style=rounded];\n");
    for (size_t i = 0; i < drawing->node_count; i++) {
        const struct drawing_node *node = &drawing->nodes[i];
        text_add(out, "  \"");
        add_dot_text(out, node->id);
        text_add(out, "\" [label=\"");
        add_dot_text(out, node->label);
        if (node->detail) {
            text_add(out, "\\n");
            add_dot_text(out, node->detail);
        }
        text_format(out, "\"%s];\n", node->slot ? ", penwidth=2" : "");
    }
    for (size_t e = 0; e < drawing->edge_count; e++) {
        if (drawing->edges[e].from >= drawing->node_count ||
            drawing->edges[e].to >= drawing->node_count) {
            continue;
        }
        text_add(out, "  \"");
        add_dot_text(out, drawing->nodes[drawing->edges[e].from].id);
        text_add(out, "\" -> \"");
        add_dot_text(out, drawing->nodes[drawing->edges[e].to].id);
        text_format(out, "\"%s;\n", drawing->edges[e].optional ? " [style=dashed]" : "");
    }
    text_add(out, "}\n");
}
