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

/* --- Those that have a place ---------------------------------------------------------------------
 *
 * By rising offset, in groups, so that a network of ten thousand operations takes no square of
 * that: a group all of whose buffers live when the new one does, or none of them, is passed as a
 * whole.
 */

enum { GROUP_SIZE = 128 };

struct group {
    const struct layout_buffer **items; /* of GROUP_SIZE */
    int count;
    int first_begin, last_begin, first_end, last_end; /* over the lifetimes of the group */
    size_t first, behind;                             /* where its bytes begin and end */
    size_t gap;                                       /* the widest room between its buffers */
};

struct groups {
    struct group *items;
    size_t count, capacity;
};

static struct group *add_group(struct groups *groups, size_t at) {
    memory_grow(groups->items, groups->count, groups->capacity);
    struct group *group = &groups->items[at];
    memmove(group + 1, group, (groups->count - at) * sizeof *group);
    *group = (struct group){.items = memory_allocate(GROUP_SIZE * sizeof *group->items)};
    groups->count++;
    return group;
}

static void summarize(struct group *group) {
    const struct layout_buffer *first = group->items[0];
    group->first_begin = group->last_begin = first->begin;
    group->first_end = group->last_end = first->end;
    group->first = first->offset;
    group->behind = first->offset + aligned(first->bytes);
    group->gap = 0;
    for (int i = 1; i < group->count; i++) {
        const struct layout_buffer *item = group->items[i];
        if (item->begin < group->first_begin) group->first_begin = item->begin;
        if (item->begin > group->last_begin) group->last_begin = item->begin;
        if (item->end < group->first_end) group->first_end = item->end;
        if (item->end > group->last_end) group->last_end = item->end;
        if (item->offset > group->behind + group->gap) group->gap = item->offset - group->behind;
        size_t behind = item->offset + aligned(item->bytes);
        if (behind > group->behind) group->behind = behind;
    }
}

/* Moves `offset` behind the buffers of a group that live together with this one, until there is
 * room before the next of them: true then. */
static bool find_room(const struct group *group, const struct layout_buffer *buffer, size_t bytes,
                      size_t *offset) {
    if (group->first_begin > buffer->end || group->last_end < buffer->begin) return false;
    bool all_live = group->last_begin <= buffer->end && group->first_end >= buffer->begin;
    if (all_live && group->gap < bytes) {
        if (group->first >= *offset + bytes) return true;
        if (group->behind > *offset) *offset = group->behind;
        return false;
    }
    for (int i = 0; i < group->count; i++) {
        const struct layout_buffer *other = group->items[i];
        if (other->begin > buffer->end || other->end < buffer->begin) continue;
        if (other->offset >= *offset + bytes) return true;
        size_t behind = other->offset + aligned(other->bytes);
        if (behind > *offset) *offset = behind;
    }
    return false;
}

/* Moves the upper half of a full group into a new one behind it. */
static void split(struct groups *groups, size_t at) {
    struct group *upper = add_group(groups, at + 1), *lower = &groups->items[at];
    upper->count = lower->count = GROUP_SIZE / 2;
    memcpy(upper->items, lower->items + GROUP_SIZE / 2, GROUP_SIZE / 2 * sizeof *upper->items);
    summarize(upper);
    summarize(lower);
}

static void insert(struct groups *groups, const struct layout_buffer *buffer) {
    if (!groups->count) add_group(groups, 0);
    size_t at = groups->count - 1;
    while (at > 0 && groups->items[at].first > buffer->offset)
        at--;
    if (groups->items[at].count == GROUP_SIZE) {
        split(groups, at);
        if (groups->items[at + 1].first <= buffer->offset) at++;
    }
    struct group *group = &groups->items[at];
    int slot = group->count++;
    for (; slot > 0 && group->items[slot - 1]->offset > buffer->offset; slot--)
        group->items[slot] = group->items[slot - 1];
    group->items[slot] = buffer;
    summarize(group);
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
    struct groups placed = {0};
    for (size_t i = 0; i < count; i++)
        order[i] = &buffers[i];
    qsort(order, count, sizeof *order, compare_size);
    for (size_t i = 0; i < count; i++) {
        struct layout_buffer *buffer = order[i];
        size_t bytes = aligned(buffer->bytes), offset = 0;
        for (size_t g = 0; g < placed.count; g++)
            if (find_room(&placed.items[g], buffer, bytes, &offset)) break;
        buffer->offset = offset;
        insert(&placed, buffer);
        if (offset + bytes > total) total = offset + bytes;
    }
    for (size_t g = 0; g < placed.count; g++)
        memory_free(placed.items[g].items);
    memory_free(placed.items);
    memory_free(order);
    return total;
}
