/* Running a program with a few rows of every value in memory; see integer_step.h. */
#ifndef TAMIS_OPS_INTEGER_STREAM_H
#define TAMIS_OPS_INTEGER_STREAM_H
#include "ops/integer_schedule.h"

/* part: stream needs: schedule */
/*
 * Rows are made when they are asked for, beginning with those of the output; each value keeps as
 * many as its readers have not passed yet. Means and deviations need the whole picture before: they
 * are made in passes over it of their own, those first that need no other; rows are then made anew
 * in each pass.
 *
 * A dry run makes nothing and finds how many rows each value must keep, and which values never
 * hold rows at the same time: these share their memory.
 */
struct integer_stream {
    const struct integer_program *program;
    struct integer_plane *planes;
    int *makers;         /* by value: its step, or -1 */
    int *made;           /* by value: rows of it so far */
    int *levels;         /* by value: passes before it can be made */
    int *is_asked;       /* by value: part of this pass */
    size_t *offsets;     /* by value: where its rows lie */
    int *shares;         /* by value: the input in whose place it is made, or -1 */
    uint32_t *live;      /* bits by value: it holds rows that are still to be read */
    uint32_t *conflicts; /* such bits, by value: of those that do while it is made */
    void (*run)(const struct integer_call *call, int y); /* NULL: a dry run */
    void *scratch;
};

/* Global steps count the rows of their input that they have taken, and are done after the last. */
static inline int integer_is_done(const struct integer_stream *stream, int value) {
    const struct integer_step *step = &stream->program->steps[stream->makers[value]];
    int height = integer_is_global(step) ? stream->planes[step->inputs[0]].height
                                         : stream->planes[value].height;
    return stream->made[value] >= height;
}

#define INTEGER_NOWHERE ((size_t)-1)

/* 32-bit words for a bit of each value. */
static inline size_t integer_words(const struct integer_program *program) {
    return ((size_t)program->value_count + 31) / 32;
}

/* The first row of a value that is still to be read; as many as were made: none. */
static inline int integer_oldest(const struct integer_stream *stream, int value) {
    const struct integer_program *program = stream->program;
    int i, k, first, last, oldest = stream->made[value];
    for (i = 0; i < program->step_count; i++) {
        const struct integer_step *step = &program->steps[i];
        if (!stream->is_asked[step->output] || integer_is_done(stream, step->output)) continue;
        for (k = 0; k < step->input_count; k++) {
            if (step->inputs[k] != value) continue;
            integer_needs(step, stream->planes, k, stream->made[step->output], &first, &last);
            if (integer_is_global(step)) first = stream->made[step->output];
            if (first < oldest) oldest = first;
        }
    }
    return oldest;
}

/* The input in whose place a step's row could be made, each element over its own; -1: none. */
static inline int integer_in_place(const struct integer_stream *stream,
                                   const struct integer_step *step) {
    const struct integer_plane *from = &stream->planes[step->inputs[0]];
    const struct integer_plane *to = &stream->planes[step->output];
    int maker = stream->makers[step->inputs[0]], k;
    if (step->kind != INTEGER_ACTIVATION && step->kind != INTEGER_PRELU &&
        step->kind != INTEGER_AFFINE && step->kind != INTEGER_ADD && step->kind != INTEGER_MULTIPLY)
        return -1;
    if (maker < 0 || integer_is_global(&stream->program->steps[maker]) ||
        from->row_bytes != to->row_bytes || from->height != to->height)
        return -1;
    for (k = 1; k < step->input_count; k++)
        if (step->inputs[k] == step->inputs[0]) return -1;
    return step->inputs[0];
}

static inline void integer_set_conflict(struct integer_stream *stream, int a, int b) {
    size_t words = integer_words(stream->program);
    stream->conflicts[(size_t)a * words + (size_t)b / 32] |= (uint32_t)1 << b % 32;
    stream->conflicts[(size_t)b * words + (size_t)a / 32] |= (uint32_t)1 << a % 32;
}

static inline int integer_conflict(const struct integer_stream *stream, int a, int b) {
    size_t words = integer_words(stream->program);
    return (stream->conflicts[(size_t)a * words + (size_t)b / 32] >> b % 32) & 1;
}

/* A dry run has made rows of a step's value. What is behind a global step stays to the end. */
static inline void integer_keep(struct integer_stream *stream, const struct integer_step *step) {
    const struct integer_program *program = stream->program;
    int value = step->output, rows = stream->made[value] - integer_oldest(stream, value), i, k;
    for (k = 0; k < step->input_count; k++) {
        int input = step->inputs[k], maker = stream->makers[input];
        int is_read = maker >= 0 && !integer_is_global(&program->steps[maker]) &&
                      integer_oldest(stream, input) >= stream->made[input];
        /* Its last reader can write over it; for another one it stays among the live ones below. */
        if (input != stream->shares[value] && maker >= 0)
            integer_set_conflict(stream, value, input);
        if (is_read) stream->live[input / 32] &= ~((uint32_t)1 << input % 32);
    }
    for (i = 0; i < program->value_count; i++)
        if (i != value && (stream->live[i / 32] >> i % 32) & 1)
            integer_set_conflict(stream, value, i);
    if (rows > stream->planes[value].rows) stream->planes[value].rows = rows;
    if (rows > 0) stream->live[value / 32] |= (uint32_t)1 << value % 32;
}

/* Makes row `row` of a value, and all before it. */
static inline void integer_make(struct integer_stream *stream, int value, int row) {
    int index = stream->makers[value], k;
    while (index >= 0 && stream->made[value] <= row && !integer_is_done(stream, value)) {
        const struct integer_step *step = &stream->program->steps[index];
        int y = stream->made[value], begin, end = y + 1, first, last;
        if (integer_is_global(step)) {
            integer_make(stream, step->inputs[0], y);
        } else {
            integer_together(step, stream->planes, y, &begin, &end);
            for (k = 0; k < step->input_count; k++) {
                integer_needs(step, stream->planes, k, y, &first, &last);
                integer_make(stream, step->inputs[k], last);
            }
        }
        if (stream->run) {
            struct integer_call call;
            call.program = stream->program;
            call.step = step;
            call.planes = stream->planes;
            call.scratch = stream->scratch;
            stream->run(&call, y);
            stream->made[value] = end;
        } else {
            stream->made[value] = end;
            integer_keep(stream, step);
        }
    }
}

/* What a value is made of, without global ones that are done. */
static inline void integer_ask(struct integer_stream *stream, int value) {
    int index = stream->makers[value], k;
    if (index < 0 || stream->is_asked[value]) return;
    if (integer_is_global(&stream->program->steps[index]) && integer_is_done(stream, value)) return;
    stream->is_asked[value] = 1;
    for (k = 0; k < stream->program->steps[index].input_count; k++)
        if (k == 0 || stream->program->steps[index].kind != INTEGER_RESIZE)
            integer_ask(stream, stream->program->steps[index].inputs[k]);
}

/* One pass: all rows of the output, or with `level` above 0 the global values of that level. */
static inline void integer_pass(struct integer_stream *stream, int level) {
    const struct integer_program *program = stream->program;
    int output = program->steps[program->step_count - 1].output, i, y, is_done = 0;
    memset(stream->is_asked, 0, (size_t)program->value_count * sizeof *stream->is_asked);
    memset(stream->live, 0, integer_words(program) * sizeof *stream->live);
    for (i = 0; i < program->step_count; i++) {
        int value = program->steps[i].output, is_global = integer_is_global(&program->steps[i]);
        if (!is_global || !integer_is_done(stream, value)) stream->made[value] = 0;
        if (is_global) stream->live[value / 32] |= (uint32_t)1 << value % 32;
    }
    if (level == 0) {
        integer_ask(stream, output);
        integer_make(stream, output, stream->planes[output].height - 1);
        return;
    }
    for (i = 0; i < program->step_count; i++)
        if (integer_is_global(&program->steps[i]) &&
            stream->levels[program->steps[i].output] == level)
            integer_ask(stream, program->steps[i].output);
    for (y = 0; !is_done; y++) {
        is_done = 1;
        for (i = 0; i < program->step_count; i++) {
            int value = program->steps[i].output;
            if (!integer_is_global(&program->steps[i]) || stream->levels[value] != level) continue;
            integer_make(stream, value, y);
            if (!integer_is_done(stream, value)) is_done = 0;
        }
    }
}

static inline void integer_stream_run(struct integer_stream *stream) {
    const struct integer_program *program = stream->program;
    int i, level, most = 0;
    for (i = 0; i < program->value_count; i++) {
        stream->made[i] = 0;
        if (stream->levels[i] > most) most = stream->levels[i];
    }
    for (level = 1; level <= most; level++)
        integer_pass(stream, level);
    integer_pass(stream, 0);
}

static inline int integer_place_of(const struct integer_stream *stream, int value) {
    while (stream->shares[value] >= 0)
        value = stream->shares[value];
    return value;
}

/* Of the values that could be made in place of an input, those that never hold a row while what has
 * this place does; what they must not meet is then what none of the place must meet. */
static inline void integer_share(struct integer_stream *stream) {
    const struct integer_program *program = stream->program;
    int i, k, other;
    for (i = 0; i < program->step_count; i++) {
        int value = program->steps[i].output, place;
        if (stream->shares[value] < 0) continue;
        place = integer_place_of(stream, stream->shares[value]);
        if (i + 1 == program->step_count || stream->planes[value].rows != 1 ||
            stream->planes[place].rows != 1 || integer_conflict(stream, value, place)) {
            integer_set_conflict(stream, value, stream->shares[value]);
            stream->shares[value] = -1;
            continue;
        }
        for (k = 0; k < program->step_count; k++) {
            other = program->steps[k].output;
            if (integer_conflict(stream, value, other)) integer_set_conflict(stream, place, other);
        }
    }
}

/* The lowest place for the rows of a value beside those that have one already; its end. */
static inline size_t integer_fit(struct integer_stream *stream, int value, size_t bytes) {
    const struct integer_program *program = stream->program;
    int i, is_moved = 1;
    size_t at = 0;
    while (is_moved) {
        is_moved = 0;
        for (i = 0; i + 1 < program->step_count; i++) {
            int other = program->steps[i].output;
            size_t begin = stream->offsets[other], end;
            if (begin == INTEGER_NOWHERE || !integer_conflict(stream, value, other)) continue;
            end = begin + integer_plane_bytes(program, &program->steps[i], &stream->planes[other]);
            if (at >= end || begin >= at + bytes) continue;
            at = end;
            is_moved = 1;
        }
    }
    stream->offsets[value] = at;
    return at + bytes;
}

/* Gives all values but the output, which is the last one, their places: the largest first, because
 * small ones find gaps. Bytes that they take together. */
static inline size_t integer_fit_all(struct integer_stream *stream) {
    const struct integer_program *program = stream->program;
    size_t most = 0;
    int i, k;
    integer_share(stream);
    for (i = 0; i < program->step_count; i++)
        stream->offsets[program->steps[i].output] = INTEGER_NOWHERE;
    for (k = 0; k + 1 < program->step_count; k++) {
        size_t largest = 0, end;
        int value = -1;
        for (i = 0; i + 1 < program->step_count; i++) {
            int other = program->steps[i].output;
            size_t bytes = integer_plane_bytes(program, &program->steps[i], &stream->planes[other]);
            if (stream->offsets[other] != INTEGER_NOWHERE || stream->shares[other] >= 0 ||
                (value >= 0 && bytes <= largest))
                continue;
            largest = bytes;
            value = other;
        }
        if (value < 0) break;
        end = integer_fit(stream, value, largest);
        if (end > most) most = end;
    }
    for (i = 0; i + 1 < program->step_count; i++)
        stream->offsets[program->steps[i].output] =
            stream->offsets[integer_place_of(stream, program->steps[i].output)];
    return most;
}

/*
 * Sizes of all values for a picture of height x width (value 0), how many rows each keeps, and in
 * `bytes` what these take with scratch. 0 if the picture is too small. The output keeps all its
 * rows and is not counted.
 */
static inline int integer_stream_plan(struct integer_stream *stream, int height, int width,
                                      size_t *bytes) {
    const struct integer_program *program = stream->program;
    int output = program->steps[program->step_count - 1].output, i, k;
    struct integer_plane *planes = stream->planes;
    memset(planes, 0, (size_t)program->value_count * sizeof *planes);
    memset(stream->conflicts, 0,
           (size_t)program->value_count * integer_words(program) * sizeof *stream->conflicts);
    stream->makers[0] = stream->shares[0] = -1;
    stream->levels[0] = 0;
    planes[0].height = planes[0].rows = height;
    planes[0].width = width;
    planes[0].row_bytes = 3 * (size_t)width;
    for (i = 0; i < program->step_count; i++) {
        const struct integer_step *step = &program->steps[i];
        const struct integer_value *value = &program->values[step->output];
        struct integer_plane *plane = &planes[step->output];
        integer_size(step, planes, &plane->height, &plane->width);
        if (plane->height < 1 || plane->width < 1) return 0;
        plane->row_bytes =
            (size_t)plane->width * (size_t)value->channels * (value->is_levels ? 1 : sizeof(float));
        stream->makers[step->output] = i;
        stream->shares[step->output] = integer_in_place(stream, step);
        stream->levels[step->output] = 0;
        for (k = 0; k < step->input_count; k++)
            if (stream->levels[step->inputs[k]] > stream->levels[step->output])
                stream->levels[step->output] = stream->levels[step->inputs[k]];
        if (integer_is_global(step)) stream->levels[step->output]++;
    }
    stream->run = NULL;
    integer_stream_run(stream);
    for (i = 0; i < program->step_count; i++) {
        const struct integer_step *step = &program->steps[i];
        struct integer_plane *plane = &planes[step->output];
        if (integer_is_global(step)) plane->rows = 1;
        if (step->output == output) plane->rows = plane->height;
    }
    *bytes = (program->scratch_bytes + 15) / 16 * 16 + integer_fit_all(stream);
    return 1;
}

/* After a plan: lays the rows out in `memory`, which is aligned for doubles. */
static inline void integer_stream_place(struct integer_stream *stream, unsigned char *memory) {
    const struct integer_program *program = stream->program;
    int i;
    stream->scratch = memory;
    memory += (program->scratch_bytes + 15) / 16 * 16;
    for (i = 0; i + 1 < program->step_count; i++) {
        int value = program->steps[i].output;
        stream->planes[value].data = memory + stream->offsets[value];
    }
}
/* end */
#endif
