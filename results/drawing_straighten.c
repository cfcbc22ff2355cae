#include "core/memory.h"
#include "results/drawing_layout.h"
#include <math.h>
#include <stdlib.h>

/* One pull on a node: where a neighbour stands, and how much the edge between them wants to be
 * straight. The ranks follow Gansner et al., "A technique for drawing directed graphs", 1993: long
 * edges most, then chains of nodes, then the ends of long edges. */
struct pull {
    double x;
    double weight;
};

static double pull_weight(const struct layout_node *a, const struct layout_node *b) {
    if (a->bend && b->bend) return 8;
    return a->bend || b->bend ? 1 : 4;
}

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

struct workspace {
    struct pull *pulls;
    double *wanted;  /* by place in the layer */
    double *weights; /* of blocks */
    double *means;
    size_t *sizes;
};

static double least_distance(const struct layout_node *left, const struct layout_node *right) {
    return (left->width + right->width) / 2 + LAYOUT_GAP;
}

/* Moves the nodes of a layer as near as they can come to where they want to be, in least squares,
 * with their order and distances kept: after taking the distances out this is isotonic regression,
 * which pooling adjacent violators solves exactly (Ayer et al., 1955). */
static void layout_place(struct drawing_layout *layout, const struct layout_layer *layer,
                         struct workspace *work) {
    size_t blocks = 0;
    double offset = 0;
    for (size_t i = 0; i < layer->count; i++) {
        const struct layout_node *node = &layout->nodes[layer->nodes[i]];
        if (i) offset += least_distance(&layout->nodes[layer->nodes[i - 1]], node);
        work->means[blocks] = work->wanted[i] - offset;
        /* work->weights[i] was read before it is overwritten, for blocks <= i. */
        work->weights[blocks] = work->weights[i];
        work->sizes[blocks] = 1;
        blocks++;
        while (blocks > 1 && work->means[blocks - 2] > work->means[blocks - 1]) {
            double a = work->weights[blocks - 2];
            double b = work->weights[blocks - 1];
            work->means[blocks - 2] =
                (a * work->means[blocks - 2] + b * work->means[blocks - 1]) / (a + b);
            work->weights[blocks - 2] = a + b;
            work->sizes[blocks - 2] += work->sizes[blocks - 1];
            blocks--;
        }
    }
    size_t i = 0;
    offset = 0;
    for (size_t block = 0; block < blocks; block++) {
        for (size_t k = 0; k < work->sizes[block]; k++, i++) {
            struct layout_node *node = &layout->nodes[layer->nodes[i]];
            if (i) offset += least_distance(&layout->nodes[layer->nodes[i - 1]], node);
            node->x = work->means[block] + offset;
        }
    }
}

static void layout_pull(struct drawing_layout *layout, size_t index, bool above, bool below,
                        struct workspace *work) {
    const struct layout_layer *layer = &layout->layers[index];
    for (size_t i = 0; i < layer->count; i++) {
        size_t node = layer->nodes[i];
        size_t count = 0;
        double weight = 0;
        for (size_t s = 0; s < layout->segment_count; s++) {
            const struct layout_segment *segment = &layout->segments[s];
            bool up = above && segment->to == node;
            bool down = below && segment->from == node;
            if (!up && !down) continue;
            const struct layout_node *other = &layout->nodes[up ? segment->from : segment->to];
            work->pulls[count].x = other->x;
            work->pulls[count].weight = pull_weight(&layout->nodes[node], other);
            weight += work->pulls[count++].weight;
        }
        work->wanted[i] = count ? pull_median(work->pulls, count) : layout->nodes[node].x;
        work->weights[i] = count ? weight : 0.1;
    }
    layout_place(layout, layer, work);
}

static void layout_pack(struct drawing_layout *layout) {
    for (size_t l = 0; l < layout->layer_count; l++) {
        const struct layout_layer *layer = &layout->layers[l];
        double x = 0;
        for (size_t i = 0; i < layer->count; i++) {
            struct layout_node *node = &layout->nodes[layer->nodes[i]];
            if (i) x += least_distance(&layout->nodes[layer->nodes[i - 1]], node);
            node->x = x;
        }
    }
}

void layout_straighten(struct drawing_layout *layout) {
    enum { SWEEPS = 30 };
    size_t most = layout->node_count + layout->segment_count + 1;
    struct workspace work = {
        .pulls = memory_allocate(most * sizeof *work.pulls),
        .wanted = memory_allocate(most * sizeof *work.wanted),
        .weights = memory_allocate(most * sizeof *work.weights),
        .means = memory_allocate(most * sizeof *work.means),
        .sizes = memory_allocate(most * sizeof *work.sizes),
    };
    layout_pack(layout);
    for (int sweep = 0; sweep < SWEEPS; sweep++) {
        bool both = sweep >= SWEEPS - 6;
        for (size_t l = 0; l < layout->layer_count; l++) {
            bool down = sweep % 2 == 0;
            layout_pull(layout, down ? l : layout->layer_count - 1 - l, down || both, !down || both,
                        &work);
        }
    }
    double least = INFINITY;
    for (size_t i = 0; i < layout->node_count; i++)
        least = fmin(least, layout->nodes[i].x - layout->nodes[i].width / 2);
    for (size_t i = 0; i < layout->node_count; i++)
        layout->nodes[i].x -= least;
    memory_free(work.pulls);
    memory_free(work.wanted);
    memory_free(work.weights);
    memory_free(work.means);
    memory_free(work.sizes);
}
