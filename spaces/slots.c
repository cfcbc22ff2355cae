#include "spaces/space_private.h"

const struct slots *space_slots(const struct space *space, struct error *error) {
    (void)error; /* they were found when the space was read */
    return &space->slots;
}

double space_size(const struct space *space) {
    const struct slots *slots = &space->slots;
    /* Children come after their parents, so that each product is complete when it is needed. */
    double *products = memory_allocate((size_t)(slots->entry_count + 1) * sizeof *products);
    int *offsets = memory_allocate((size_t)(slots->count + 1) * sizeof *offsets);
    for (int i = 0, offset = 0; i < slots->count; i++) {
        offsets[i] = offset;
        offset += slots->items[i].candidate_count;
    }
    for (int i = 0; i < slots->entry_count; i++)
        products[i] = 1;
    double total = 1;
    for (int i = slots->count - 1; i >= 0; i--) {
        const struct slot *slot = &slots->items[i];
        double size = 0;
        for (int c = 0; c < slot->candidate_count; c++)
            size += slot->candidates[c].bits_count * products[offsets[i] + c];
        if (slot->parent_slot < 0)
            total *= size;
        else
            products[offsets[slot->parent_slot] + slot->parent_candidate] *= size;
    }
    memory_free(products);
    memory_free(offsets);
    return total;
}
