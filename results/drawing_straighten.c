#include "core/memory.h"
#include "results/drawing_layout.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* Nodes that are joined from layer to layer form a block and share one x, so that chains of
 * operations and long edges are drawn straight. The idea is that of Brandes and Köpf, "Fast and
 * simple horizontal coordinate assignment", 2001; blocks are then moved to the median of their
 * neighbours. */
enum { NONE = -1, SWEEPS = 40 };

struct blocks {
    long *above; /* the node of the layer above that is joined to this one, or NONE */
    long *below;
    size_t *block; /* of every node: its topmost node */
    size_t *tops;  /* the blocks, from left to right */
    size_t count;
};

/* How much an edge wants to be straight: pieces of long edges most, then chains of nodes (most of
 * all where the chain goes on), then the ends of long edges. After Gansner et al., "A technique for
 * drawing directed graphs", 1993. */
static int pull_weight(const struct drawing_layout *layout, const struct layout_segment *segment) {
    const struct layout_node *from = &layout->nodes[segment->from];
    const struct layout_node *to = &layout->nodes[segment->to];
    if (from->bend && to->bend) return 8;
    return from->bend || to->bend ? 1 : 4;
}

static int chain_weight(const struct drawing_layout *layout, const struct layout_segment *segment) {
    int weight = 3 * pull_weight(layout, segment);
    for (size_t s = 0; s < layout->segment_count; s++) {
        const struct layout_segment *other = &layout->segments[s];
        if (other->from == segment->to && !layout->nodes[other->to].bend) return weight + 1;
    }
    return weight;
}

/* True if a segment crosses one that is joined already. */
static bool crosses_joined(const struct drawing_layout *layout, const struct blocks *blocks,
                           const struct layout_segment *segment) {
    const struct layout_node *from = &layout->nodes[segment->from];
    const struct layout_node *to = &layout->nodes[segment->to];
    const struct layout_layer *layer = &layout->layers[from->layer];
    for (size_t i = 0; i < layer->count; i++) {
        long end = blocks->below[layer->nodes[i]];
        if (end == NONE) continue;
        size_t place = layout->nodes[end].place;
        if ((i < from->place && place > to->place) || (i > from->place && place < to->place)) {
            return true;
        }
    }
    return false;
}

static void blocks_join(const struct drawing_layout *layout, struct blocks *blocks) {
    int *weights = memory_allocate(layout->segment_count * sizeof *weights);
    int heaviest = 0;
    for (size_t s = 0; s < layout->segment_count; s++) {
        weights[s] = chain_weight(layout, &layout->segments[s]);
        if (weights[s] > heaviest) heaviest = weights[s];
    }
    for (int weight = heaviest; weight > 0; weight--) {
        for (size_t s = 0; s < layout->segment_count; s++) {
            const struct layout_segment *segment = &layout->segments[s];
            if (weights[s] != weight || blocks->below[segment->from] != NONE ||
                blocks->above[segment->to] != NONE || crosses_joined(layout, blocks, segment)) {
                continue;
            }
            blocks->below[segment->from] = (long)segment->to;
            blocks->above[segment->to] = (long)segment->from;
        }
    }
    memory_free(weights);
}

static double least_distance(const struct layout_node *left, const struct layout_node *right) {
    return (left->width + right->width) / 2 + LAYOUT_GAP;
}

/* The nodes beside a node in its layer; NULL at the ends. */
static const struct layout_node *beside(const struct drawing_layout *layout, size_t node,
                                        int side) {
    const struct layout_layer *layer = &layout->layers[layout->nodes[node].layer];
    size_t place = layout->nodes[node].place;
    if (side < 0) return place > 0 ? &layout->nodes[layer->nodes[place - 1]] : NULL;
    return place + 1 < layer->count ? &layout->nodes[layer->nodes[place + 1]] : NULL;
}

/* Puts every block as far left as it can go. Joined segments do not cross, so "left of" has no
 * cycles among blocks: each round places those whose left neighbours are all placed. */
static void blocks_pack(struct drawing_layout *layout, struct blocks *blocks) {
    bool *placed = memory_allocate(layout->node_count * sizeof *placed);
    size_t before = SIZE_MAX;
    while (blocks->count != before) {
        before = blocks->count;
        for (size_t top = 0; top < layout->node_count; top++) {
            if (blocks->above[top] != NONE || placed[top]) continue;
            double x = 0;
            bool ready = true;
            for (long node = (long)top; node != NONE && ready; node = blocks->below[node]) {
                const struct layout_node *left = beside(layout, (size_t)node, -1);
                if (!left) continue;
                ready = placed[left - layout->nodes];
                x = fmax(x, left->x + least_distance(left, &layout->nodes[node]));
            }
            if (!ready) continue;
            for (long node = (long)top; node != NONE; node = blocks->below[node]) {
                layout->nodes[node].x = x;
                blocks->block[node] = top;
                placed[node] = true;
            }
            blocks->tops[blocks->count++] = top;
        }
    }
    memory_free(placed);
}

/* A neighbour's place, and how strongly it pulls. */
struct pull {
    double x;
    double weight;
};

static int pull_compare(const void *left, const void *right) {
    const struct pull *a = left;
    const struct pull *b = right;
    return a->x < b->x ? -1 : a->x > b->x;
}

/* The weighted median; the middle of the two where it is not unique. */
static double pull_median(struct pull *pulls, size_t count) {
    qsort(pulls, count, sizeof *pulls, pull_compare);
    double total = 0;
    for (size_t i = 0; i < count; i++)
        total += pulls[i].weight;
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        sum += pulls[i].weight;
        if (sum * 2 == total && i + 1 < count) return (pulls[i].x + pulls[i + 1].x) / 2;
        if (sum * 2 > total) return pulls[i].x;
    }
    return pulls[count - 1].x;
}

/* Moves a block to the median of the nodes it has edges with, as far as the blocks beside it let
 * it. */
static void block_move(struct drawing_layout *layout, const struct blocks *blocks, size_t top,
                       struct pull *pulls) {
    size_t count = 0;
    for (size_t s = 0; s < layout->segment_count; s++) {
        const struct layout_segment *segment = &layout->segments[s];
        bool from = blocks->block[segment->from] == top;
        bool to = blocks->block[segment->to] == top;
        if (from == to) continue;
        pulls[count].x = layout->nodes[from ? segment->to : segment->from].x;
        pulls[count++].weight = pull_weight(layout, segment);
    }
    if (count == 0) return;
    double x = pull_median(pulls, count);
    double low = -INFINITY;
    double high = INFINITY;
    for (long node = (long)top; node != NONE; node = blocks->below[node]) {
        const struct layout_node *left = beside(layout, (size_t)node, -1);
        const struct layout_node *right = beside(layout, (size_t)node, 1);
        if (left) low = fmax(low, left->x + least_distance(left, &layout->nodes[node]));
        if (right) high = fmin(high, right->x - least_distance(&layout->nodes[node], right));
    }
    x = fmax(fmin(x, high), low);
    for (long node = (long)top; node != NONE; node = blocks->below[node])
        layout->nodes[node].x = x;
}

void layout_straighten(struct drawing_layout *layout) {
    size_t count = layout->node_count;
    struct blocks blocks = {
        .above = memory_allocate(count * sizeof *blocks.above),
        .below = memory_allocate(count * sizeof *blocks.below),
        .block = memory_allocate(count * sizeof *blocks.block),
        .tops = memory_allocate(count * sizeof *blocks.tops),
    };
    struct pull *pulls = memory_allocate(layout->segment_count * sizeof *pulls);
    for (size_t i = 0; i < count; i++)
        blocks.above[i] = blocks.below[i] = NONE;
    blocks_join(layout, &blocks);
    blocks_pack(layout, &blocks);
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        /* From the right, so that blocks make room for those left of them; then back. */
        for (size_t i = 0; i < blocks.count; i++) {
            size_t index = sweep % 2 == 0 ? blocks.count - 1 - i : i;
            block_move(layout, &blocks, blocks.tops[index], pulls);
        }
    }
    double least = INFINITY;
    for (size_t i = 0; i < count; i++)
        least = fmin(least, layout->nodes[i].x - layout->nodes[i].width / 2);
    for (size_t i = 0; i < count; i++)
        layout->nodes[i].x -= least;
    memory_free(blocks.above);
    memory_free(blocks.below);
    memory_free(blocks.block);
    memory_free(blocks.tops);
    memory_free(pulls);
}
