/* Where the values of an integer network lie. */
#include "eval/integer_groups_private.h"

enum { ALIGNMENT = 64 };

/* A piece of memory that a value takes while it lives, in steps or in chains. */
struct piece {
    size_t begin, bytes;
    int until;
};

/* The first gap that is large enough among the pieces that are still needed at time `now`. */
static size_t find_place(const struct piece *pieces, int count, int now, size_t bytes) {
    size_t begin = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < count; i++) {
            const struct piece *piece = &pieces[i];
            if (piece->until < now || piece->begin >= begin + bytes ||
                piece->begin + piece->bytes <= begin)
                continue;
            begin = piece->begin + piece->bytes;
            moved = true;
        }
    }
    return begin;
}

/* Appends a piece; where it begins. */
static size_t place(struct piece *pieces, int *count, int now, int until, size_t bytes,
                    size_t *total) {
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    struct piece piece = {find_place(pieces, *count, now, bytes), bytes, until};
    pieces[(*count)++] = piece;
    if (piece.begin + bytes > *total) *total = piece.begin + bytes;
    return piece.begin;
}

/* The place in its group of the last step that reads the value; steps of a tail are at the place of
 * their first. */
static int last_within(const struct grouping *grouping, const struct integer_group *group,
                       int value) {
    int last = 0;
    for (int i = 0; i < group->count; i += 1 + group->tails[i])
        for (int t = 0; t <= group->tails[i]; t++) {
            const struct integer_step *step = &grouping->program->steps[group->steps[i + t]];
            for (int k = 0; k < step->input_count; k++)
                if (step->inputs[k] == value) last = i;
        }
    return last;
}

/* Where values of a group that only it reads lie: those that are made in blocks of rows first, as
 * they stay through all rows. `pieces` is room for them. */
static void lay_out_private(const struct grouping *grouping, const struct integer_group *group,
                            struct piece *pieces) {
    struct integer_groups *groups = grouping->groups;
    int count = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0, place_of = 0; i < group->count; i++) {
            int step = group->steps[i], value = grouping->program->steps[step].output;
            bool has_blocks = integer_has_blocks(grouping, step);
            if (i > place_of + group->tails[place_of]) place_of = i;
            if (groups->is_passed[value] || !integer_groups_is_private(groups, value) ||
                has_blocks != (pass == 0))
                continue;
            size_t pixels = (size_t)group->piece * (size_t)groups->piece_rows[value];
            groups->offsets[value] =
                place(pieces, &count, has_blocks ? 0 : place_of,
                      has_blocks ? group->count : last_within(grouping, group, value),
                      integer_pixel_bytes(grouping, value) * pixels, &groups->piece_bytes);
        }
}

/* Time is counted in chains: their groups run side by side. The output is made where the caller
 * wants it. */
static void lay_out_images(const struct grouping *grouping, int index, struct piece *images,
                           int *image_count) {
    struct integer_groups *groups = grouping->groups;
    const struct integer_group *group = &groups->items[index];
    for (int i = 0; i < group->count; i++) {
        const struct integer_step *step = &grouping->program->steps[group->steps[i]];
        int value = step->output, last = groups->last[value];
        bool is_output = last == groups->count;
        if (groups->is_passed[value] || integer_groups_is_private(groups, value) ||
            !groups->is_image[value] || is_output)
            continue;
        groups->offsets[value] =
            place(images, image_count, groups->chain_of[index], groups->chain_of[last],
                  integer_value_memory(grouping->program, step, &grouping->planes[value]),
                  &groups->image_bytes);
    }
}

/* Rings of a chain side by side. */
static void lay_out_rings(const struct grouping *grouping, const struct integer_chain *chain) {
    struct integer_groups *groups = grouping->groups;
    size_t bytes = 0;
    for (int g = chain->first; g < chain->first + chain->count; g++)
        for (int i = 0; i < groups->items[g].count; i++) {
            int value = grouping->program->steps[groups->items[g].steps[i]].output;
            size_t ring = (size_t)groups->ring_rows[value] * grouping->planes[value].row_bytes;
            groups->ring_offsets[value] = bytes;
            bytes += (ring + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        }
    if (bytes > groups->ring_bytes) groups->ring_bytes = bytes;
}

void integer_groups_lay_out(const struct grouping *grouping) {
    struct integer_groups *groups = grouping->groups;
    size_t steps = (size_t)grouping->program->step_count;
    struct piece *pieces = memory_allocate(2 * steps * sizeof *pieces);
    int image_count = 0;
    for (int g = 0; g < groups->count; g++) {
        lay_out_private(grouping, &groups->items[g], pieces + steps);
        lay_out_images(grouping, g, pieces, &image_count);
    }
    for (int c = 0; c < groups->chain_count; c++)
        lay_out_rings(grouping, &groups->chains[c]);
    memory_free(pieces);
}
