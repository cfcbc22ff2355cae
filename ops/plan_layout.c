#include "ops/plan_layout.h"
#include "core/memory.h"
#include <stdlib.h>
#include <string.h>

static size_t aligned(size_t bytes) {
    return (bytes + LAYOUT_ALIGNMENT - 1) / LAYOUT_ALIGNMENT * LAYOUT_ALIGNMENT;
}

/* Larger first; then those that live longer; then the order of the array, so that the result is
 * one. */
static int compare_size(const void *first, const void *second) {
    const struct layout_buffer *a = *(struct layout_buffer *const *)first;
    const struct layout_buffer *b = *(struct layout_buffer *const *)second;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    int length_a = a->end - a->begin, length_b = b->end - b->begin;
    if (length_a != length_b) return length_a < length_b ? 1 : -1;
    return a < b ? -1 : (a > b ? 1 : 0);
}

size_t layout_place(struct layout_buffer *buffers, size_t count, bool unshared) {
    size_t total = 0;
    if (unshared) {
        for (size_t i = 0; i < count; i++) {
            buffers[i].offset = total;
            total += aligned(buffers[i].bytes);
        }
        return total;
    }
    struct layout_buffer **order = memory_allocate((count + 1) * sizeof *order);
    /* Those that have a place, by rising offset. */
    struct layout_buffer **placed = memory_allocate((count + 1) * sizeof *placed);
    for (size_t i = 0; i < count; i++)
        order[i] = &buffers[i];
    qsort(order, count, sizeof *order, compare_size);
    for (size_t i = 0; i < count; i++) {
        struct layout_buffer *buffer = order[i];
        size_t bytes = aligned(buffer->bytes), offset = 0;
        for (size_t k = 0; k < i; k++) {
            const struct layout_buffer *other = placed[k];
            if (other->begin > buffer->end || other->end < buffer->begin) continue;
            if (other->offset >= offset + bytes) break;
            size_t behind = other->offset + aligned(other->bytes);
            if (behind > offset) offset = behind;
        }
        buffer->offset = offset;
        size_t slot = i;
        while (slot > 0 && placed[slot - 1]->offset > offset)
            slot--;
        memmove(placed + slot + 1, placed + slot, (i - slot) * sizeof *placed);
        placed[slot] = buffer;
        if (offset + bytes > total) total = offset + bytes;
    }
    memory_free(placed);
    memory_free(order);
    return total;
}
