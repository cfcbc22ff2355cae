/* What a pass over a picture needs; see integer_stream.h. */
#ifndef TAMIS_OPS_INTEGER_TRACK_H
#define TAMIS_OPS_INTEGER_TRACK_H
#include "ops/integer_schedule.h"

/* part: track needs: schedule bytes */
/*
 * Rows are made when they are asked for, beginning with those of the output; each value keeps as
 * many as its readers have not passed yet. What would make others wait long is made before, in
 * passes of its own that keep the result in whole rows and everything else only as long as they
 * run:
 *
 * - Means and deviations need the whole picture. They are made in passes over all of it, those
 *   first that need no other.
 * - Coarse maps that are enlarged to the size of another value need rows far ahead. If they are
 *   kept, the output is made in bands, and before each band the rows of the maps that it needs.
 *
 * A pass can make one strip of columns after the other, each with the columns around it that it
 * needs, so that its rows are shorter.
 */
struct integer_track {
    int maker;       /* the step that makes the value; -1: the picture */
    int level;       /* passes over the whole picture before it can be made */
    int is_kept;     /* passes of its own make it, and its rows stay while others run */
    int is_asked;    /* part of this pass */
    int first, last; /* rows or columns that this pass needs; `last` -1: none */
    int made;        /* rows of it so far */
    int rows;        /* that it has a place for */
    int strips;      /* that its pass makes one after the other */
    int share;       /* the input in whose place it is made, or -1 */
    size_t longest;  /* bytes of its longest row in any strip of the pass */
    size_t offset;   /* of its rows in the memory */
};

struct integer_stream {
    const struct integer_program *program;
    struct integer_plane *planes; /* of all values: what this pass has of them */
    struct integer_plane *views;  /* of those of one step: what it sees of them */
    struct integer_track *tracks; /* of all values */
    uint32_t *live;               /* bits by value: it holds rows that are still to be read */
    uint32_t *conflicts;          /* such bits, by value: of those that do while it is made */
    void (*run)(const struct integer_call *call, int y); /* NULL: a dry run */
    const unsigned char *low;                            /* the picture */
    unsigned char *high;                                 /* all rows of the output */
    unsigned char *memory;                               /* scratch, kept rows, those of a pass */
    size_t kept;                                         /* bytes of the first two */
};

/* Rows of the picture that a band of the output has where coarse maps are kept: fewer of them make
 * more rows twice, at the band's borders, and more of them more rows of the maps. */
enum { INTEGER_BAND = 128 };

/* 32-bit words for a bit of each value. */
static inline size_t integer_words(const struct integer_program *program) {
    return ((size_t)program->value_count + 31) / 32;
}

static inline int integer_output_of(const struct integer_program *program) {
    return program->steps[program->step_count - 1].output;
}

static inline int integer_makes_global(const struct integer_stream *stream, int value) {
    int maker = stream->tracks[value].maker;
    return maker >= 0 && integer_is_global(&stream->program->steps[maker]);
}

static inline int integer_input_of(const struct integer_stream *stream, int value) {
    return stream->program->steps[stream->tracks[value].maker].inputs[0];
}

/* Rows that a step's value takes until it is done: a global one those of its input. */
static inline int integer_height(const struct integer_stream *stream, int value) {
    int is_global = integer_makes_global(stream, value);
    return stream->planes[is_global ? integer_input_of(stream, value) : value].height;
}

static inline int integer_is_done(const struct integer_stream *stream, int value) {
    return stream->tracks[value].made >= integer_height(stream, value);
}

/* --- What a pass needs ----------------------------------------------------------------------- */

static inline void integer_ask(struct integer_stream *stream, int value) {
    const struct integer_step *step = &stream->program->steps[stream->tracks[value].maker];
    int k;
    stream->tracks[value].is_asked = 1;
    for (k = 0; k < step->input_count; k++) {
        const struct integer_track *input = &stream->tracks[step->inputs[k]];
        if (input->maker < 0 || input->is_asked || input->is_kept) continue;
        if (k == 0 || step->kind != INTEGER_RESIZE) integer_ask(stream, step->inputs[k]);
    }
}

/* Asks for what the pass of `target` makes; that of a global value makes all of its level. */
static inline void integer_ask_for(struct integer_stream *stream, int target) {
    const struct integer_program *program = stream->program;
    int i;
    for (i = 0; i < program->value_count; i++)
        stream->tracks[i].is_asked = 0;
    if (!integer_makes_global(stream, target)) {
        integer_ask(stream, target);
        return;
    }
    for (i = 0; i < program->value_count; i++)
        if (integer_makes_global(stream, i) &&
            stream->tracks[i].level == stream->tracks[target].level)
            integer_ask(stream, i);
}

static inline void integer_need(struct integer_track *track, int first, int last) {
    if (last < first) return;
    if (track->last < 0 || first < track->first) track->first = first;
    if (last > track->last) track->last = last;
}

/* Columns begin .. end of a value that a strip of the target's pass makes, or of the input that
 * it takes if it is global. */
static inline void integer_strip(const struct integer_stream *stream, int target, int value,
                                 int strip, int *begin, int *end) {
    int64_t strips = stream->tracks[target].strips, columns = stream->planes[value].columns;
    if (integer_makes_global(stream, value)) {
        columns = stream->planes[integer_input_of(stream, value)].columns;
        *begin = integer_part((int)columns, (int)(INTEGER_PARTS * strip / strips));
        *end = integer_part((int)columns, (int)(INTEGER_PARTS * (strip + 1) / strips));
    } else {
        *begin = (int)(columns * strip / strips);
        *end = (int)(columns * (strip + 1) / strips);
    }
}

/* What all values must have to make what the first ones have to, which are those of a pass: rows,
 * or columns. */
static inline void integer_reach(struct integer_stream *stream, int is_columns) {
    const struct integer_program *program = stream->program;
    int i, k, first, last, next, beyond;
    for (i = program->step_count - 1; i >= 0; i--) {
        const struct integer_step *step = &program->steps[i];
        struct integer_track *track = &stream->tracks[step->output];
        if (!track->is_asked || integer_is_global(step)) continue;
        if (is_columns) {
            integer_together_columns(step, stream->planes, track->last, &first, &beyond);
            integer_together_columns(step, stream->planes, track->first, &track->first, &next);
            track->last = beyond - 1;
        } else {
            integer_together(step, stream->planes, track->first, &track->first, &next);
        }
        for (k = 0; k < step->input_count; k++) {
            if (is_columns) {
                integer_needs_columns(step, stream->planes, k, track->first, &first, &next);
                integer_needs_columns(step, stream->planes, k, track->last, &next, &last);
            } else {
                integer_needs(step, stream->planes, k, track->first, &first, &next);
                integer_needs(step, stream->planes, k, track->last, &next, &last);
            }
            integer_need(&stream->tracks[step->inputs[k]], first, last);
        }
    }
}

static inline void integer_need_nothing(struct integer_stream *stream) {
    int i;
    for (i = 0; i < stream->program->value_count; i++) {
        stream->tracks[i].first = 0;
        stream->tracks[i].last = -1;
    }
}

/* What the pass of a target needs for rows begin .. end. */
static inline void integer_reach_rows(struct integer_stream *stream, int target, int begin,
                                      int end) {
    int i;
    integer_need_nothing(stream);
    for (i = 0; i < stream->program->value_count; i++) {
        int is_global = integer_makes_global(stream, i);
        if (i != target && !(is_global && stream->tracks[i].is_asked)) continue;
        integer_need(&stream->tracks[is_global ? integer_input_of(stream, i) : i], begin,
                     (end < integer_height(stream, i) ? end : integer_height(stream, i)) - 1);
    }
    integer_reach(stream, 0);
}

/* What it needs for a strip. */
static inline void integer_reach_columns(struct integer_stream *stream, int target, int strip) {
    int i, begin, end;
    integer_need_nothing(stream);
    for (i = 0; i < stream->program->value_count; i++) {
        int is_global = integer_makes_global(stream, i);
        if (i != target && !(is_global && stream->tracks[i].is_asked)) continue;
        integer_strip(stream, target, i, strip, &begin, &end);
        integer_need(&stream->tracks[is_global ? integer_input_of(stream, i) : i], begin, end - 1);
    }
    integer_reach(stream, 1);
}
/* end */
#endif
