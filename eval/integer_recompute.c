#include "eval/integer_recompute.h"
#include "ops/integer_rows.h"
#include <stdbool.h>
#include <string.h>

struct build {
    const struct integer_program *from;
    const int *makers; /* by value of `from`: its step, or -1 */
    const bool *cut;   /* by value of `from`: made once, by steps of its own */
    int *made;         /* [value cut, or 0][value]: the new value, or -1 */
    struct integer_value *values;
    struct integer_step *steps;
    int *origins;
    int value_count, step_count, capacity;
    struct arena *arena;
};

static bool is_shared(const struct build *build, int value) {
    int maker = build->makers[value];
    return build->cut[value] || (maker >= 0 && integer_step_is_global(&build->from->steps[maker]));
}

static void copy_step(struct build *build, int origin, int output, const int *inputs) {
    const struct integer_step *step = &build->from->steps[origin];
    int *copy = arena_allocate(build->arena, (size_t)step->input_count * sizeof *copy);
    memcpy(copy, inputs, (size_t)step->input_count * sizeof *copy);
    build->steps[build->step_count] = *step;
    build->steps[build->step_count].inputs = copy;
    build->steps[build->step_count].output = output;
    build->origins[build->step_count++] = origin;
}

/* The new value that stands for `value` where `target` is made: what is made once stands for itself
 * everywhere. Global steps run in passes of their own and belong to those of the output. */
static int value_for(struct build *build, int value, int target) {
    if (build->makers[value] < 0) return value;
    if (value != target && is_shared(build, value)) target = build->cut[value] ? value : 0;
    int *made = &build->made[target * build->from->value_count + value];
    if (*made >= 0) return *made;
    const struct integer_step *step = &build->from->steps[build->makers[value]];
    int *inputs = memory_allocate((size_t)step->input_count * sizeof *inputs);
    for (int i = 0; i < step->input_count; i++)
        inputs[i] = value_for(build, step->inputs[i], target);
    *made = build->value_count++;
    build->values[*made] = build->from->values[value];
    copy_step(build, build->makers[value], *made, inputs);
    memory_free(inputs);
    return *made;
}

static struct integer_program rebuild(const struct integer_program *from, const int *makers,
                                      const bool *cut, int cuts, struct arena *arena,
                                      const int **origins) {
    int targets = cuts + 1;
    size_t most = (size_t)targets * (size_t)from->value_count + 1;
    struct build build = {.from = from, .makers = makers, .cut = cut, .arena = arena};
    size_t places = (size_t)from->value_count * (size_t)from->value_count;
    build.made = memory_allocate(places * sizeof *build.made);
    for (size_t i = 0; i < places; i++)
        build.made[i] = -1;
    build.values = arena_allocate(arena, most * sizeof *build.values);
    build.steps = arena_allocate(arena, most * sizeof *build.steps);
    build.origins = arena_allocate(arena, most * sizeof *build.origins);
    build.values[0] = from->values[0];
    build.value_count = 1;
    value_for(&build, from->steps[from->step_count - 1].output, 0);
    memory_free(build.made);
    *origins = build.origins;
    return (struct integer_program){.values = build.values,
                                    .value_count = build.value_count,
                                    .steps = build.steps,
                                    .step_count = build.step_count,
                                    .scratch_bytes = from->scratch_bytes};
}

struct integer_recompute integer_recompute_create(const struct integer_program *program, int width,
                                                  int height) {
    struct integer_recompute best = {0};
    int *makers = memory_allocate((size_t)program->value_count * sizeof *makers), cuts = 0;
    bool *cut = memory_allocate((size_t)program->value_count * sizeof *cut);
    makers[0] = -1;
    for (int i = 0; i < program->step_count; i++)
        makers[program->steps[i].output] = i;
    best.program = rebuild(program, makers, cut, 0, &best.arena, &best.origins);
    size_t least = integer_stream_bytes(&best.program, height, width);
    for (int i = 0; i < program->step_count; i++) {
        const struct integer_step *step = &program->steps[i];
        int coarse = step->inputs[0];
        if (step->kind != INTEGER_RESIZE || step->stride || makers[coarse] < 0 || cut[coarse])
            continue;
        struct integer_recompute next = {0};
        cut[coarse] = true;
        next.program = rebuild(program, makers, cut, cuts + 1, &next.arena, &next.origins);
        size_t bytes = integer_stream_bytes(&next.program, height, width);
        bool is_better = bytes > 0 && bytes < least;
        if (is_better) {
            integer_recompute_free(&best);
            best = next;
            least = bytes;
            cuts++;
        } else {
            integer_recompute_free(&next);
            cut[coarse] = false;
        }
    }
    memory_free(makers);
    memory_free(cut);
    return best;
}

void integer_recompute_free(struct integer_recompute *recompute) {
    arena_free(&recompute->arena);
}
