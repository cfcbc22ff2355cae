/* Running a program with a few rows of every value in memory; see integer_step.h. */
#ifndef TAMIS_OPS_INTEGER_STREAM_H
#define TAMIS_OPS_INTEGER_STREAM_H
#include "ops/integer_strip.h"

/* part: stream needs: strip */
/* The first row of a value that this pass is still to read; as many as were made: none. */
static inline int integer_oldest(const struct integer_stream *stream, int value) {
    const struct integer_program *program = stream->program;
    int i, k, first, last, oldest = stream->tracks[value].made;
    for (i = 0; i < program->step_count; i++) {
        const struct integer_step *step = &program->steps[i];
        const struct integer_track *track = &stream->tracks[step->output];
        int is_global = integer_is_global(step);
        if (!track->is_asked || integer_is_done(stream, step->output) ||
            (!is_global && track->made > track->last))
            continue;
        for (k = 0; k < step->input_count; k++) {
            if (step->inputs[k] != value) continue;
            integer_needs(step, stream->planes, k, track->made, &first, &last);
            if (is_global) first = track->made;
            if (first < oldest) oldest = first;
        }
    }
    return oldest;
}

static inline void integer_set_conflict(struct integer_stream *stream, int a, int b) {
    size_t words = integer_words(stream->program);
    stream->conflicts[(size_t)a * words + (size_t)b / 32] |= (uint32_t)1 << b % 32;
    stream->conflicts[(size_t)b * words + (size_t)a / 32] |= (uint32_t)1 << a % 32;
}

/* A dry run has made rows of a step's value. */
static inline void integer_keep(struct integer_stream *stream, const struct integer_step *step) {
    const struct integer_program *program = stream->program;
    int value = step->output, i, k;
    struct integer_track *track = &stream->tracks[value];
    int rows = track->made - integer_oldest(stream, value);
    for (k = 0; k < step->input_count; k++) {
        int input = step->inputs[k];
        const struct integer_track *from = &stream->tracks[input];
        int is_read =
            from->maker >= 0 && !from->is_kept && integer_oldest(stream, input) >= from->made;
        /* Its last reader can write over it; for another one it stays among the live ones below. */
        if (input != track->share && from->maker >= 0) integer_set_conflict(stream, value, input);
        if (is_read) stream->live[input / 32] &= ~((uint32_t)1 << input % 32);
    }
    for (i = 0; i < program->value_count; i++)
        if (i != value && (stream->live[i / 32] >> i % 32) & 1)
            integer_set_conflict(stream, value, i);
    if (rows > track->rows) track->rows = rows;
    if (rows > 0) stream->live[value / 32] |= (uint32_t)1 << value % 32;
}

/* Whether the step makes shorter rows, each of one row alone: then these can wait instead. */
static inline int integer_shortens(const struct integer_stream *stream,
                                   const struct integer_step *step) {
    int is_point = step->kind == INTEGER_QUANTIZE || step->kind == INTEGER_SPLIT ||
                   (step->kind == INTEGER_CONVOLUTION && step->kernel_h == 1 && step->stride == 1);
    return is_point && integer_pixel(stream->program, step->output) <
                           integer_pixel(stream->program, step->inputs[0]);
}

/* The input of a step whose maker comes last among those before `before`; -1: there is none. */
static inline int integer_last_input(const struct integer_stream *stream,
                                     const struct integer_step *step, int before) {
    int k, last = -1, input = -1;
    for (k = 0; k < step->input_count; k++) {
        int maker = stream->tracks[step->inputs[k]].maker;
        if (maker < before && maker > last) {
            last = maker;
            input = k;
        }
    }
    return input;
}

/* Makes row `row` of a value, and all before it that this pass needs; and of what it is shortened
 * to. What is farthest from the picture is made first: on its way it takes what is nearer. */
static inline void integer_make(struct integer_stream *stream, int value, int row) {
    const struct integer_program *program = stream->program;
    struct integer_track *track = &stream->tracks[value];
    while (track->maker >= 0 && track->made <= row && !integer_is_done(stream, value)) {
        const struct integer_step *step = &program->steps[track->maker];
        int y = track->made, begin, end = y + 1, first, last, i, k;
        if (!integer_is_global(step)) integer_together(step, stream->planes, y, &begin, &end);
        for (k = integer_last_input(stream, step, track->maker); k >= 0;
             k = integer_last_input(stream, step, stream->tracks[step->inputs[k]].maker)) {
            last = y;
            if (!integer_is_global(step)) integer_needs(step, stream->planes, k, y, &first, &last);
            integer_make(stream, step->inputs[k], last);
        }
        if (track->made > y) continue;
        track->made = end;
        if (stream->run) {
            struct integer_call call;
            integer_view(stream, step);
            call.program = program;
            call.step = step;
            call.planes = stream->views;
            call.scratch = stream->memory;
            stream->run(&call, y);
        } else {
            integer_keep(stream, step);
        }
        for (i = 0; i < program->step_count; i++) {
            const struct integer_step *reader = &program->steps[i];
            const struct integer_track *output = &stream->tracks[reader->output];
            if (reader->inputs[0] == value && output->is_asked && integer_shortens(stream, reader))
                integer_make(stream, reader->output, output->last < end ? output->last : end - 1);
        }
    }
}

/* A strip of the rows begin .. end of a target, or of all columns if it is a dry run. */
static inline void integer_run_strip(struct integer_stream *stream, int target, int strip,
                                     int begin, int end) {
    const struct integer_program *program = stream->program;
    int i, y;
    if (stream->run) {
        integer_cut_columns(stream, target, strip);
        integer_place(stream, target);
    }
    integer_reach_rows(stream, target, begin, end);
    memset(stream->live, 0, integer_words(program) * sizeof *stream->live);
    for (i = 0; i < program->value_count; i++) {
        struct integer_track *track = &stream->tracks[i];
        if (track->is_kept) stream->live[i / 32] |= (uint32_t)1 << i % 32;
        if (track->is_asked) track->made = integer_makes_global(stream, i) ? begin : track->first;
    }
    for (y = begin; y < end; y++) {
        for (i = 0; i < program->value_count; i++)
            if (i == target || (stream->tracks[i].is_asked && integer_makes_global(stream, i)))
                integer_make(stream, i, y);
        if (stream->run && integer_lands(stream, target)) integer_land(stream, target, strip, y);
    }
}

/* A kept value that lacks rows that the pass needs, or -1. */
static inline int integer_lacking(const struct integer_stream *stream, int target) {
    int i;
    for (i = 0; i < stream->program->value_count; i++)
        if (i != target && stream->tracks[i].is_kept && !integer_makes_global(stream, i) &&
            stream->tracks[i].made <= stream->tracks[i].last)
            return i;
    return -1;
}

/* Rows begin .. end of a target, and before them those of kept values that they need. A global
 * target takes these rows of its input. */
static inline void integer_run_rows(struct integer_stream *stream, int target, int begin, int end) {
    const struct integer_program *program = stream->program;
    int i, strip, strips = stream->run ? stream->tracks[target].strips : 1;
    for (;;) {
        integer_ask_for(stream, target);
        integer_reach_rows(stream, target, begin, end);
        i = integer_lacking(stream, target);
        if (i < 0) break;
        integer_run_rows(stream, i, stream->tracks[i].made, stream->tracks[i].last + 1);
    }
    for (i = 0; i < program->value_count; i++) {
        struct integer_track *track = &stream->tracks[i];
        int rows = track->made - track->first;
        if (track->is_kept && i != target && track->last >= 0 && rows > track->rows)
            track->rows = rows;
    }
    if (stream->run) integer_lay_out(stream, target);
    for (strip = 0; strip < strips; strip++)
        integer_run_strip(stream, target, strip, begin, end);
}

/* All rows of the output, or of the inputs of all global values of a level. */
static inline void integer_pass(struct integer_stream *stream, int target) {
    const struct integer_program *program = stream->program;
    int i, y, height = integer_height(stream, target), band, has_maps = 0;
    for (i = 0; i < program->value_count; i++) {
        struct integer_track *track = &stream->tracks[i];
        int is_global = integer_makes_global(stream, i);
        if (is_global && track->level == stream->tracks[target].level &&
            integer_height(stream, i) > height)
            height = integer_height(stream, i);
        if (is_global) continue;
        if (track->is_kept) has_maps = 1;
        track->made = 0;
    }
    band = (int)((int64_t)height * INTEGER_BAND / stream->planes[0].height);
    if (!has_maps || band < 1) band = has_maps ? 1 : height;
    for (y = 0; y < height; y += band)
        integer_run_rows(stream, target, y, height - y < band ? height : y + band);
}

static inline void integer_stream_run(struct integer_stream *stream) {
    const struct integer_program *program = stream->program;
    int i, level, most = 0;
    for (i = 0; i < program->value_count; i++) {
        stream->tracks[i].made = 0;
        if (stream->tracks[i].level > most) most = stream->tracks[i].level;
    }
    for (level = 1; level <= most; level++)
        for (i = 0; i < program->value_count; i++)
            if (integer_makes_global(stream, i) && stream->tracks[i].level == level &&
                !integer_is_done(stream, i))
                integer_pass(stream, i);
    integer_pass(stream, integer_output_of(program));
}
/* end */
#endif
