#include "results/drawing_layout.h"

#include "core/memory.h"
#include "results/label.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest path from the sources (Kahn's order); false for a cycle. */
static bool layout_assign_layers(const struct drawing *drawing, size_t *layers) {
    size_t count = drawing->node_count;
    size_t *waiting = memory_allocate(count * sizeof *waiting);
    size_t *ready = memory_allocate(count * sizeof *ready);
    for (size_t e = 0; e < drawing->edge_count; e++)
        waiting[drawing->edges[e].to]++;
    size_t end = 0;
    for (size_t i = 0; i < count; i++) {
        layers[i] = 0;
        if (waiting[i] == 0) ready[end++] = i;
    }
    for (size_t begin = 0; begin < end; begin++) {
        size_t from = ready[begin];
        for (size_t e = 0; e < drawing->edge_count; e++) {
            if (drawing->edges[e].from != from) continue;
            size_t to = drawing->edges[e].to;
            /* The queue goes by rising layer, so the last node before this one decides. */
            layers[to] = layers[from] + 1;
            if (--waiting[to] == 0) ready[end++] = to;
        }
    }
    memory_free(waiting);
    memory_free(ready);
    return end == count;
}

static struct layout_node layout_box(const struct drawing_node *node, size_t layer) {
    double label = node->label ? label_width(node->label, LAYOUT_LABEL_FONT) : 0;
    double detail = 0, height = LAYOUT_BOX;
    for (const char *line = node->detail; line; line = *line ? line + 1 : NULL) {
        char copy[256];
        size_t length = strcspn(line, "\n");
        snprintf(copy, sizeof copy, "%.*s", (int)length, line);
        detail = fmax(detail, label_width(copy, LAYOUT_LABEL_FONT - 1.5));
        height += LAYOUT_LINE;
        line += length;
    }
    return (struct layout_node){
        .width = fmax(fmax(label, detail) + 22, 48),
        .height = height,
        .layer = layer,
    };
}

static void layout_add_bend(struct drawing_layout *layout, size_t *capacity, size_t layer) {
    memory_grow(layout->nodes, layout->node_count, *capacity);
    layout->nodes[layout->node_count++] =
        (struct layout_node){.width = 8, .height = 0, .layer = layer, .bend = true};
}

static void layout_add_segment(struct drawing_layout *layout, size_t *capacity, size_t from,
                               size_t to, size_t edge) {
    memory_grow(layout->segments, layout->segment_count, *capacity);
    layout->segments[layout->segment_count++] = (struct layout_segment){from, to, edge};
}

/* Nodes and segments, with a bend in every layer that an edge passes. */
static void layout_fill(struct drawing_layout *layout, const struct drawing *drawing,
                        const size_t *layers) {
    size_t node_capacity = 0;
    size_t segment_capacity = 0;
    for (size_t i = 0; i < drawing->node_count; i++) {
        memory_grow(layout->nodes, layout->node_count, node_capacity);
        layout->nodes[layout->node_count++] = layout_box(&drawing->nodes[i], layers[i]);
        if (layers[i] + 1 > layout->layer_count) layout->layer_count = layers[i] + 1;
    }
    for (size_t e = 0; e < drawing->edge_count; e++) {
        size_t from = drawing->edges[e].from;
        size_t to = drawing->edges[e].to;
        for (size_t layer = layers[from] + 1; layer < layers[to]; layer++) {
            layout_add_bend(layout, &node_capacity, layer);
            layout_add_segment(layout, &segment_capacity, from, layout->node_count - 1, e);
            from = layout->node_count - 1;
        }
        layout_add_segment(layout, &segment_capacity, from, to, e);
    }
}

static void layout_gather(struct drawing_layout *layout) {
    layout->layers = memory_allocate(layout->layer_count * sizeof *layout->layers);
    for (size_t i = 0; i < layout->node_count; i++)
        layout->layers[layout->nodes[i].layer].count++;
    for (size_t l = 0; l < layout->layer_count; l++) {
        struct layout_layer *layer = &layout->layers[l];
        layer->nodes = memory_allocate(layer->count * sizeof *layer->nodes);
        layer->count = 0;
    }
    for (size_t i = 0; i < layout->node_count; i++) {
        struct layout_layer *layer = &layout->layers[layout->nodes[i].layer];
        layout->nodes[i].place = layer->count;
        layer->nodes[layer->count++] = i;
    }
}

static size_t layout_crossings(const struct drawing_layout *layout) {
    size_t crossings = 0;
    for (size_t a = 0; a < layout->segment_count; a++) {
        const struct layout_node *from = &layout->nodes[layout->segments[a].from];
        const struct layout_node *to = &layout->nodes[layout->segments[a].to];
        for (size_t b = a + 1; b < layout->segment_count; b++) {
            const struct layout_node *other = &layout->nodes[layout->segments[b].from];
            const struct layout_node *end = &layout->nodes[layout->segments[b].to];
            if (other->layer != from->layer) continue;
            if ((from->place < other->place && to->place > end->place) ||
                (from->place > other->place && to->place < end->place)) {
                crossings++;
            }
        }
    }
    return crossings;
}

/* Sorts one layer by the mean place of its neighbours above or below; those without keep theirs. */
static void layout_sort(struct drawing_layout *layout, size_t index, bool above, double *keys,
                        size_t *numbers) {
    struct layout_layer *layer = &layout->layers[index];
    for (size_t i = 0; i < layer->count; i++) {
        keys[layer->nodes[i]] = 0;
        numbers[layer->nodes[i]] = 0;
    }
    for (size_t s = 0; s < layout->segment_count; s++) {
        size_t node = above ? layout->segments[s].to : layout->segments[s].from;
        size_t neighbour = above ? layout->segments[s].from : layout->segments[s].to;
        if (layout->nodes[node].layer != index) continue;
        keys[node] += (double)layout->nodes[neighbour].place;
        numbers[node]++;
    }
    for (size_t i = 0; i < layer->count; i++) {
        size_t node = layer->nodes[i];
        keys[node] = numbers[node] ? keys[node] / (double)numbers[node] : (double)i;
    }
    /* Insertion sort: stable, and layers are short. */
    for (size_t i = 1; i < layer->count; i++) {
        size_t node = layer->nodes[i];
        size_t k = i;
        for (; k > 0 && keys[layer->nodes[k - 1]] > keys[node]; k--)
            layer->nodes[k] = layer->nodes[k - 1];
        layer->nodes[k] = node;
    }
    for (size_t i = 0; i < layer->count; i++)
        layout->nodes[layer->nodes[i]].place = i;
}

static void layout_keep(const struct drawing_layout *layout, size_t *places) {
    for (size_t i = 0; i < layout->node_count; i++)
        places[i] = layout->nodes[i].place;
}

static void layout_order(struct drawing_layout *layout) {
    enum { SWEEPS = 24 };
    double *keys = memory_allocate(layout->node_count * sizeof *keys);
    size_t *numbers = memory_allocate(layout->node_count * sizeof *numbers);
    size_t *best = memory_allocate(layout->node_count * sizeof *best);
    layout_keep(layout, best);
    size_t least = layout_crossings(layout);
    for (int sweep = 0; sweep < SWEEPS && least > 0; sweep++) {
        for (size_t l = 1; l < layout->layer_count; l++) {
            bool down = sweep % 2 == 0;
            layout_sort(layout, down ? l : layout->layer_count - 1 - l, down, keys, numbers);
        }
        size_t crossings = layout_crossings(layout);
        if (crossings < least) {
            least = crossings;
            layout_keep(layout, best);
        }
    }
    for (size_t i = 0; i < layout->node_count; i++) {
        layout->nodes[i].place = best[i];
        layout->layers[layout->nodes[i].layer].nodes[best[i]] = i;
    }
    memory_free(keys);
    memory_free(numbers);
    memory_free(best);
}

/* Edges that a cut below this layer crosses. */
static size_t layout_cut(const struct drawing_layout *layout, size_t layer) {
    size_t crossing = 0;
    for (size_t s = 0; s < layout->segment_count; s++)
        crossing += layout->nodes[layout->segments[s].from].layer == layer;
    return crossing;
}

static double layout_widest(const struct drawing_layout *layout) {
    double right = 0;
    for (size_t i = 0; i < layout->node_count; i++)
        right = fmax(right, layout->nodes[i].x + layout->nodes[i].width / 2);
    return right;
}

/* As many columns as make a tall drawing fit a page, cut where few edges cross. */
static void layout_fold(struct drawing_layout *layout) {
    enum { WIDTH = 1400, LEAST_LAYERS = 12 };
    double wide = layout_widest(layout) + 60;
    size_t most = (size_t)fmax(1, floor(WIDTH / wide));
    size_t count = 1;
    while (count < most && layout->layer_count > LEAST_LAYERS * count &&
           (double)layout->layer_count * LAYOUT_ROW / (double)count > 1.1 * wide * (double)count)
        count++;
    layout->columns = memory_allocate(count * sizeof *layout->columns);
    size_t begin = 0;
    for (size_t c = 0; c < count && begin < layout->layer_count; c++) {
        size_t left = layout->layer_count - begin;
        size_t end = layout->layer_count;
        if (c + 1 < count) {
            size_t even = begin + left / (count - c) - 1;
            size_t slack = left / (count - c) / 7;
            size_t best = even;
            for (size_t l = even - slack; l <= even + slack && l + 1 < layout->layer_count; l++) {
                if (layout_cut(layout, l) < layout_cut(layout, best)) best = l;
            }
            end = best + 1;
        }
        for (size_t l = begin; l < end; l++)
            layout->layers[l].column = layout->column_count;
        layout->column_count++;
        begin = end;
    }
}

/* Half of the tallest box of a layer; a layer of usual boxes has that of one with a detail. */
static double layout_half(const struct drawing_layout *layout, size_t layer) {
    double height = LAYOUT_BOX + LAYOUT_LINE;
    for (size_t i = 0; i < layout->layers[layer].count; i++)
        height = fmax(height, layout->nodes[layout->layers[layer].nodes[i]].height);
    return height / 2;
}

/* Moves every column to its place and gives the layers their heights. */
static void layout_settle(struct drawing_layout *layout) {
    size_t first = 0;
    double left = LAYOUT_MARGIN;
    layout->height = 0;
    for (size_t c = 0; c < layout->column_count; c++) {
        struct layout_column *column = &layout->columns[c];
        size_t last = first;
        double least = INFINITY;
        double greatest = -INFINITY;
        for (; last < layout->layer_count && layout->layers[last].column == c; last++) {
            for (size_t i = 0; i < layout->layers[last].count; i++) {
                const struct layout_node *node = &layout->nodes[layout->layers[last].nodes[i]];
                least = fmin(least, node->x - node->width / 2);
                greatest = fmax(greatest, node->x + node->width / 2);
            }
        }
        double tracks_above = first > 0 ? (double)layout_cut(layout, first - 1) : 0;
        double tracks_below = last < layout->layer_count ? (double)layout_cut(layout, last - 1) : 0;
        column->left = left;
        column->right = left + greatest - least;
        column->top = LAYOUT_MARGIN + (first > 0 ? 14 + tracks_above * LAYOUT_TRACK : 0);
        double bottom = column->top;
        for (size_t l = first; l < last; l++) {
            double half = layout_half(layout, l);
            double above = l > first ? LAYOUT_ROW - LAYOUT_BOX - LAYOUT_LINE : 0;
            for (size_t i = 0; i < layout->layers[l].count; i++) {
                struct layout_node *node = &layout->nodes[layout->layers[l].nodes[i]];
                node->column = c;
                node->x += left - least;
                node->y = bottom + above + half;
                if (node->bend) node->height = 2 * half - LAYOUT_LINE;
            }
            bottom += above + 2 * half;
        }
        column->bottom = bottom;
        bottom += LAYOUT_MARGIN;
        if (last < layout->layer_count) bottom += 8 + tracks_below * LAYOUT_TRACK;
        layout->height = fmax(layout->height, bottom);
        left = column->right + (last < layout->layer_count ? 32 + tracks_below * LAYOUT_TRACK
                                                           : (double)LAYOUT_MARGIN);
        first = last;
    }
    layout->width = left;
}

bool drawing_layout_make(const struct drawing *drawing, struct drawing_layout *layout,
                         struct error *error) {
    *layout = (struct drawing_layout){0};
    for (size_t e = 0; e < drawing->edge_count; e++) {
        if (drawing->edges[e].from >= drawing->node_count ||
            drawing->edges[e].to >= drawing->node_count) {
            return error_add(error, ERROR_FAILED,
                             "the network cannot be drawn: edge %zu joins a node that is not there",
                             e);
        }
    }
    size_t *layers = memory_allocate(drawing->node_count * sizeof *layers);
    bool good = layout_assign_layers(drawing, layers);
    if (good) {
        layout_fill(layout, drawing, layers);
        layout_gather(layout);
        layout_order(layout);
        layout_straighten(layout);
        layout_fold(layout);
        layout_settle(layout);
    } else {
        error_add(error, ERROR_FAILED, "the network cannot be drawn: its edges form a cycle");
    }
    memory_free(layers);
    return good;
}

void drawing_layout_free(struct drawing_layout *layout) {
    for (size_t l = 0; l < layout->layer_count; l++)
        memory_free(layout->layers[l].nodes);
    memory_free(layout->layers);
    memory_free(layout->nodes);
    memory_free(layout->segments);
    memory_free(layout->columns);
    *layout = (struct drawing_layout){0};
}
