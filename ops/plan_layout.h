/* Where buffers with known lifetimes go in one block of memory. Internal to the plan. */
#ifndef TAMIS_OPS_PLAN_LAYOUT_H
#define TAMIS_OPS_PLAN_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

enum { LAYOUT_ALIGNMENT = 64 };

/* Bytes needed from time `begin` to time `end`, both included. */
struct layout_buffer {
    size_t bytes;
    int begin, end;
    size_t offset; /* set by layout_place; a multiple of LAYOUT_ALIGNMENT */
};

/* Gives every buffer an offset so that no two that live at the same time overlap (with `unshared`,
 * no two at all). Largest first, each at the lowest place where it fits. Returns the bytes needed.
 */
size_t layout_place(struct layout_buffer *buffers, size_t count, bool unshared);

#endif
