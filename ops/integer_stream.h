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
 * A dry run makes nothing and finds how many rows each value must keep.
 */
struct integer_stream {
    const struct integer_program *program;
    struct integer_plane *planes;
    int *makers;   /* by value: its step, or -1 */
    int *made;     /* by value: rows of it so far */
    int *levels;   /* by value: passes before it can be made */
    int *is_asked; /* by value: part of this pass */
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

static inline void integer_keep(struct integer_stream *stream, int value) {
    const struct integer_program *program = stream->program;
    int i, k, first, last, rows, oldest = stream->made[value];
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
    rows = stream->made[value] - oldest;
    if (rows > stream->planes[value].rows) stream->planes[value].rows = rows;
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
            integer_keep(stream, value);
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
    for (i = 0; i < program->step_count; i++) {
        int value = program->steps[i].output, is_global = integer_is_global(&program->steps[i]);
        if (!is_global || !integer_is_done(stream, value)) stream->made[value] = 0;
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
    stream->makers[0] = -1;
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
        stream->levels[step->output] = 0;
        for (k = 0; k < step->input_count; k++)
            if (stream->levels[step->inputs[k]] > stream->levels[step->output])
                stream->levels[step->output] = stream->levels[step->inputs[k]];
        if (integer_is_global(step)) stream->levels[step->output]++;
    }
    stream->run = NULL;
    integer_stream_run(stream);
    *bytes = (program->scratch_bytes + 15) / 16 * 16;
    for (i = 0; i < program->step_count; i++) {
        const struct integer_step *step = &program->steps[i];
        struct integer_plane *plane = &planes[step->output];
        if (integer_is_global(step)) plane->rows = 1;
        if (step->output == output)
            plane->rows = plane->height;
        else
            *bytes += integer_plane_bytes(program, step, plane);
    }
    return 1;
}

/* After a plan: lays the rows out in `memory`, which is aligned for doubles. */
static inline void integer_stream_place(struct integer_stream *stream, unsigned char *memory) {
    const struct integer_program *program = stream->program;
    int i;
    stream->scratch = memory;
    memory += (program->scratch_bytes + 15) / 16 * 16;
    for (i = 0; i + 1 < program->step_count; i++) {
        const struct integer_step *step = &program->steps[i];
        stream->planes[step->output].data = memory;
        memory += integer_plane_bytes(program, step, &stream->planes[step->output]);
    }
}
/* end */
#endif
