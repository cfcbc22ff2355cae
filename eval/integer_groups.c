#include "eval/integer_groups_private.h"
#include "ops/integer_rows.h"
#include <string.h>

/* Pieces of rows have whole tiles of every kernel, and floats of a piece, or of a block of its
 * rows, fit into the second-level cache many times: smaller pieces take longer (measured). */
enum { PIECE_UNIT = 24, PIECE_BYTES = 80000 };

bool integer_step_is_local(const struct integer_step *step) {
    switch ((enum integer_kind)step->kind) {
    case INTEGER_INPUT:
    case INTEGER_OUTPUT:
    case INTEGER_QUANTIZE:
    case INTEGER_ACTIVATION:
    case INTEGER_PRELU:
    case INTEGER_AFFINE:
    case INTEGER_ADD:
    case INTEGER_MULTIPLY:
    case INTEGER_CONCAT:
    case INTEGER_SPLIT:
    case INTEGER_LAYER_NORM:
        return true;
    case INTEGER_CONVOLUTION:
        return step->kernel_h == 1 && step->kernel_w == 1 && step->stride == 1 &&
               step->pad_h == 0 && step->pad_w == 0;
    default:
        return false;
    }
}

/* Can be made in pieces of rows. */
static bool has_pieces(const struct grouping *grouping, int step) {
    const struct integer_step *item = &grouping->program->steps[step];
    if (item->kind == INTEGER_CONVOLUTION) return grouping->packed[step].kernel != NULL;
    return integer_step_is_local(item);
}

bool integer_has_blocks(const struct grouping *grouping, int step) {
    return grouping->packed[step].words != NULL;
}

/* Whether the step can be the next of group `index`: its inputs are made, and those of this group
 * are read pixel by pixel. */
static bool is_ready(const struct grouping *grouping, int step, int index) {
    const struct integer_step *item = &grouping->program->steps[step];
    for (int i = 0; i < item->input_count; i++) {
        int made = grouping->groups->made[item->inputs[i]];
        if (made > index || (made == index && !integer_step_is_local(item))) return false;
    }
    return true;
}

static bool has_size(const struct grouping *grouping, int step, int other) {
    const struct integer_plane *a = &grouping->planes[grouping->program->steps[step].output];
    const struct integer_plane *b = &grouping->planes[grouping->program->steps[other].output];
    return a->width == b->width && a->height == b->height;
}

/* What a step behind the first reads of images that were made before. */
static void find_reads(const struct grouping *grouping, int index) {
    struct integer_group *group = &grouping->groups->items[index];
    const struct integer_program *program = grouping->program;
    const struct integer_plane *whole = &grouping->planes[program->steps[group->steps[0]].output];
    size_t most = 0;
    for (int i = 1; i < group->count; i++)
        most += (size_t)program->steps[group->steps[i]].input_count;
    int *reads = arena_allocate(&grouping->groups->arena, most * sizeof *reads);
    for (int i = 1; i < group->count; i++) {
        const struct integer_step *step = &program->steps[group->steps[i]];
        for (int k = 0; integer_step_is_local(step) && k < step->input_count; k++) {
            int value = step->inputs[k];
            const struct integer_plane *plane = &grouping->planes[value];
            if (grouping->groups->made[value] < index && plane->width == whole->width &&
                plane->height == whole->height)
                reads[group->read_count++] = value;
        }
    }
    group->reads = reads;
}

/* --- Tails ---------------------------------------------------------------------------------------
 */

/* While the steps of a group are put into their last order. */
struct ordering {
    const struct grouping *grouping;
    int index; /* of the group */
    int *from; /* steps; -1: they have their place already */
    int count;
    int *steps, *tails; /* the last order */
    int placed;
};

static bool is_made(const struct ordering *ordering, int value) {
    const struct grouping *grouping = ordering->grouping;
    if (grouping->groups->made[value] != ordering->index) return true;
    for (int i = 0; i < ordering->placed; i++)
        if (grouping->program->steps[ordering->steps[i]].output == value) return true;
    return false;
}

/* Whether a tail may go on from `value` with this step. */
static bool continues(const struct ordering *ordering, const struct integer_step *step, int value) {
    const struct integer_program *program = ordering->grouping->program;
    const struct integer_plane *planes = ordering->grouping->planes;
    if (step->kind == INTEGER_ACTIVATION)
        return step->inputs[0] == value &&
               (step->option == INTEGER_RELU || step->option == INTEGER_LEAKY_RELU ||
                step->option == INTEGER_SIGMOID);
    if ((step->kind != INTEGER_ADD && step->kind != INTEGER_MULTIPLY) || step->input_count != 2)
        return false;
    int other = step->inputs[step->inputs[0] == value];
    return (step->inputs[0] == value || step->inputs[1] == value) && other != value &&
           is_made(ordering, other) &&
           program->values[other].channels == program->values[value].channels &&
           planes[other].width == planes[value].width &&
           planes[other].height == planes[value].height;
}

static void put(struct ordering *ordering, int i) {
    ordering->tails[ordering->placed] = 0;
    ordering->steps[ordering->placed++] = ordering->from[i];
    ordering->from[i] = -1;
}

static int readers_of(const struct integer_program *program, int value) {
    int count = 0;
    for (int i = 0; i < program->step_count; i++)
        for (int k = 0; k < program->steps[i].input_count; k++)
            count += program->steps[i].inputs[k] == value;
    return count;
}

/* Puts what goes on from the last step's floats behind it: all quantizers, and the first step that
 * makes other floats of them, from which it then goes on. */
static void put_tail(struct ordering *ordering) {
    const struct integer_program *program = ordering->grouping->program;
    int head = ordering->placed - 1, value = program->steps[ordering->steps[head]].output;
    for (int next = 0; next >= 0;) {
        int taken = 0;
        next = -1;
        for (int i = 0; i < ordering->count; i++) {
            bool is_full = 2 * (ordering->placed - head) > INTEGER_TAIL_MOST;
            if (ordering->from[i] < 0 || is_full) continue;
            const struct integer_step *step = &program->steps[ordering->from[i]];
            if (step->kind == INTEGER_QUANTIZE && step->inputs[0] == value) {
                put(ordering, i);
                taken++;
            } else if (next < 0 && continues(ordering, step, value)) {
                next = i;
            }
        }
        taken += next >= 0;
        /* The convolution's own floats are where the tail begins. */
        if (value != program->steps[ordering->steps[head]].output)
            ordering->grouping->groups->is_passed[value] = taken == readers_of(program, value);
        if (next < 0) continue;
        value = program->steps[ordering->from[next]].output;
        put(ordering, next);
    }
    ordering->tails[head] = ordering->placed - head - 1;
}

static void find_tails(const struct grouping *grouping, int index) {
    struct integer_group *group = &grouping->groups->items[index];
    struct arena *arena = &grouping->groups->arena;
    size_t bytes = (size_t)group->count * sizeof(int);
    struct ordering ordering = {.grouping = grouping,
                                .index = index,
                                .count = group->count,
                                .from = memory_allocate(bytes),
                                .steps = arena_allocate(arena, bytes),
                                .tails = arena_allocate(arena, bytes)};
    memcpy(ordering.from, group->steps, bytes);
    for (int i = 0; i < group->count; i++) {
        int step = ordering.from[i];
        if (step < 0) continue;
        const struct integer_kernel *kernel = grouping->packed[step].kernel;
        put(&ordering, i);
        if (kernel && kernel->tail && !grouping->program->steps[step].scaling) put_tail(&ordering);
    }
    memory_free(ordering.from);
    group->steps = ordering.steps;
    group->tails = ordering.tails;
}

/* The first step that is left, and with it all that can be made of the same pixels. */
static void make_group(struct grouping *grouping, int first) {
    const struct integer_program *program = grouping->program;
    struct integer_groups *groups = grouping->groups;
    int index = groups->count++;
    struct integer_group *group = &groups->items[index];
    int *steps = arena_allocate(&groups->arena, (size_t)program->step_count * sizeof *steps);
    *group = (struct integer_group){.steps = steps};
    bool is_alone = !has_pieces(grouping, first);
    size_t most = 0;
    for (int i = first; i < program->step_count; i++) {
        if (grouping->is_done[i] || !is_ready(grouping, i, index)) continue;
        if (i != first && (is_alone || !has_pieces(grouping, i) || !has_size(grouping, i, first)))
            continue;
        int value = program->steps[i].output;
        steps[group->count++] = i;
        grouping->is_done[i] = true;
        groups->made[value] = index;
        bool has_blocks = integer_has_blocks(grouping, i);
        groups->piece_rows[value] = has_blocks ? INTEGER_WINOGRAD_OUT : 1;
        group->has_blocks |= has_blocks;
        size_t bytes = integer_pixel_bytes(grouping, value) * (size_t)groups->piece_rows[value];
        if (bytes > most) most = bytes;
    }
    group->tails = arena_allocate(&groups->arena, (size_t)group->count * sizeof(int));
    if (is_alone) return;
    find_reads(grouping, index);
    find_tails(grouping, index);
    int width = grouping->planes[program->steps[first].output].width;
    int units = (int)(PIECE_BYTES / most) / PIECE_UNIT;
    group->piece = (units ? units : 1) * PIECE_UNIT;
    if (group->piece > width) group->piece = width;
}

void integer_groups_create(struct integer_groups *groups, const struct integer_program *program,
                           const struct integer_packed *packed, const struct integer_plane *planes,
                           int input, int output, int threads) {
    size_t values = (size_t)program->value_count, steps = (size_t)program->step_count;
    *groups = (struct integer_groups){0};
    groups->items = arena_allocate(&groups->arena, steps * sizeof *groups->items);
    groups->made = arena_allocate(&groups->arena, values * sizeof *groups->made);
    groups->last = arena_allocate(&groups->arena, values * sizeof *groups->last);
    groups->offsets = arena_allocate(&groups->arena, values * sizeof *groups->offsets);
    groups->piece_rows = arena_allocate(&groups->arena, values * sizeof *groups->piece_rows);
    groups->is_passed = arena_allocate(&groups->arena, values * sizeof *groups->is_passed);
    groups->chains = arena_allocate(&groups->arena, steps * sizeof *groups->chains);
    groups->chain_of = arena_allocate(&groups->arena, steps * sizeof *groups->chain_of);
    groups->is_followed = arena_allocate(&groups->arena, values * sizeof *groups->is_followed);
    groups->is_image = arena_allocate(&groups->arena, values * sizeof *groups->is_image);
    groups->ring_rows = arena_allocate(&groups->arena, values * sizeof *groups->ring_rows);
    groups->ring_offsets = arena_allocate(&groups->arena, values * sizeof *groups->ring_offsets);
    for (size_t i = 0; i < values; i++)
        groups->made[i] = program->step_count; /* later than any group */
    groups->made[input] = -1;
    struct grouping grouping = {
        .groups = groups, .program = program, .packed = packed, .planes = planes};
    grouping.is_done = arena_allocate(&groups->arena, steps);
    for (int i = 0; i < program->step_count; i++)
        if (!grouping.is_done[i]) make_group(&grouping, i);
    integer_chains_find(&grouping, output, threads);
    integer_groups_lay_out(&grouping);
}

void integer_groups_free(struct integer_groups *groups) {
    arena_free(&groups->arena);
    *groups = (struct integer_groups){0};
}

bool integer_groups_is_private(const struct integer_groups *groups, int value) {
    int made = groups->made[value];
    return made >= 0 && groups->items[made].piece && groups->last[value] == made;
}
