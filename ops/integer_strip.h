/* The columns that a pass makes at a time, and where their rows lie; see integer_stream.h. */
#ifndef TAMIS_OPS_INTEGER_STRIP_H
#define TAMIS_OPS_INTEGER_STRIP_H
#include "ops/integer_track.h"

/* part: strip needs: track */
#define INTEGER_NOWHERE ((size_t)-1)

/* Bytes of a pixel. */
static inline size_t integer_pixel(const struct integer_program *program, int value) {
    return (size_t)program->values[value].channels * integer_value_bytes(&program->values[value]);
}

/* The columns of all values that a strip of a pass takes; of kept ones and of the picture it has
 * whole rows. Global values have those of their input that they take. */
static inline void integer_cut_columns(struct integer_stream *stream, int target, int strip) {
    int i, end;
    integer_reach_columns(stream, target, strip);
    for (i = 0; i < stream->program->value_count; i++) {
        const struct integer_track *track = &stream->tracks[i];
        struct integer_plane *plane = &stream->planes[i];
        plane->left = 0;
        plane->width = plane->columns;
        plane->rows = track->rows;
        if (track->is_asked && integer_makes_global(stream, i)) {
            integer_strip(stream, target, i, strip, &plane->left, &end);
            plane->width = end - plane->left;
        } else if (track->is_asked && stream->tracks[target].strips > 1 &&
                   (i == target || !track->is_kept)) {
            plane->left = track->first;
            plane->width = track->last + 1 - track->first;
        }
        plane->row_bytes = (size_t)plane->width * integer_pixel(stream->program, i);
    }
}

/* Planes that begin where a step's columns do. */
static inline void integer_view(struct integer_stream *stream, const struct integer_step *step) {
    const struct integer_plane *output = &stream->planes[step->output];
    int k;
    stream->views[step->output] = *output;
    for (k = 0; k < step->input_count; k++) {
        int input = step->inputs[k];
        struct integer_plane view = stream->planes[input];
        if (step->kind != INTEGER_RESIZE && view.columns > 1) {
            view.left = output->left;
            view.width = output->width;
            if (integer_is_window(step)) view.left *= step->stride;
            if (step->kind == INTEGER_SHUFFLE) {
                view.left /= step->stride;
                view.width /= step->stride;
            }
            view.data += (size_t)(view.left - stream->planes[input].left) *
                         integer_pixel(stream->program, input);
        }
        stream->views[input] = view;
    }
}

static inline int integer_conflict(const struct integer_stream *stream, int a, int b) {
    size_t words = integer_words(stream->program);
    return (stream->conflicts[(size_t)a * words + (size_t)b / 32] >> b % 32) & 1;
}

static inline int integer_place_of(const struct integer_stream *stream, int value) {
    while (stream->tracks[value].share >= 0)
        value = stream->tracks[value].share;
    return value;
}

static inline size_t integer_place_bytes(const struct integer_stream *stream, int value) {
    return integer_round(stream->tracks[value].longest * (size_t)stream->tracks[value].rows);
}

/* Whether the pass makes pieces of its target's rows, which land in a place of their own first. */
static inline int integer_lands(const struct integer_stream *stream, int target) {
    return stream->tracks[target].strips > 1 && !integer_makes_global(stream, target);
}

/* Whether the value's rows lie in the pass's own memory. */
static inline int integer_is_passing(const struct integer_stream *stream, int target, int value) {
    const struct integer_track *track = &stream->tracks[value];
    return value != target && track->is_asked && !track->is_kept && track->share < 0;
}

/* The lowest place from `at` on for the rows of a value beside those of the pass that have one
 * already; its end. */
static inline size_t integer_fit(struct integer_stream *stream, int target, int value, size_t at) {
    size_t bytes = integer_place_bytes(stream, value);
    int other = 0;
    while (other < stream->program->value_count) {
        size_t begin = stream->tracks[other].offset, end = begin;
        if (begin != INTEGER_NOWHERE && integer_is_passing(stream, target, other) &&
            integer_conflict(stream, value, other))
            end += integer_place_bytes(stream, other);
        other++;
        if (begin == end || at >= end || begin >= at + bytes) continue;
        at = end;
        other = 0;
    }
    stream->tracks[value].offset = at;
    return at + bytes;
}

/* The longest rows of all values in the strips of a pass. */
static inline void integer_find_longest(struct integer_stream *stream, int target) {
    int i, strip;
    for (i = 0; i < stream->program->value_count; i++)
        stream->tracks[i].longest = 0;
    for (strip = 0; strip < stream->tracks[target].strips; strip++) {
        integer_cut_columns(stream, target, strip);
        for (i = 0; i < stream->program->value_count; i++)
            if (stream->planes[i].row_bytes > stream->tracks[i].longest)
                stream->tracks[i].longest = stream->planes[i].row_bytes;
    }
}

/* Gives the values of a pass their places behind the kept ones: the largest first, because small
 * ones find gaps. Landing rows lie in front of them. The end of all. */
static inline size_t integer_lay_out(struct integer_stream *stream, int target) {
    size_t from = stream->kept, most, end;
    int i, value = 0;
    integer_find_longest(stream, target);
    if (integer_lands(stream, target)) from += integer_round(stream->tracks[target].longest);
    most = from;
    for (i = 0; i < stream->program->value_count; i++)
        if (integer_is_passing(stream, target, i)) stream->tracks[i].offset = INTEGER_NOWHERE;
    while (value >= 0) {
        size_t largest = 0;
        value = -1;
        for (i = 0; i < stream->program->value_count; i++) {
            size_t bytes = integer_place_bytes(stream, i);
            if (!integer_is_passing(stream, target, i) ||
                stream->tracks[i].offset != INTEGER_NOWHERE || (value >= 0 && bytes <= largest))
                continue;
            largest = bytes;
            value = i;
        }
        end = value < 0 ? from : integer_fit(stream, target, value, from);
        if (end > most) most = end;
    }
    return most;
}

/* Where the rows of all values of a pass lie, after they were laid out. */
static inline void integer_place(struct integer_stream *stream, int target) {
    const struct integer_program *program = stream->program;
    struct integer_plane *planes = stream->planes;
    int i;
    for (i = 0; i + 1 < program->step_count; i++) {
        int value = program->steps[i].output;
        if (stream->tracks[value].is_asked || stream->tracks[value].is_kept)
            planes[value].data =
                stream->memory + stream->tracks[integer_place_of(stream, value)].offset;
    }
    planes[integer_output_of(program)].data = stream->high;
    /* The picture is only read. */
    memcpy(&planes[0].data, &stream->low, sizeof stream->low);
    if (!integer_lands(stream, target)) return;
    planes[target].data = stream->memory + stream->kept;
    planes[target].rows = 1;
}

/* Takes a row that has landed to its place. */
static inline void integer_land(const struct integer_stream *stream, int target, int strip, int y) {
    const struct integer_track *track = &stream->tracks[target];
    const struct integer_plane *plane = &stream->planes[target];
    size_t pixel = integer_pixel(stream->program, target);
    unsigned char *to = target == integer_output_of(stream->program)
                            ? stream->high
                            : stream->memory + track->offset;
    int begin, end;
    integer_strip(stream, target, target, strip, &begin, &end);
    to += ((size_t)(y % track->rows) * (size_t)plane->columns + (size_t)begin) * pixel;
    memcpy(to, plane->data + (size_t)(begin - plane->left) * pixel, (size_t)(end - begin) * pixel);
}
/* end */
#endif
