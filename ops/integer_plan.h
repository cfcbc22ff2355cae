/* How a program runs in little memory; see integer_stream.h. */
#ifndef TAMIS_OPS_INTEGER_PLAN_H
#define TAMIS_OPS_INTEGER_PLAN_H
#include "ops/integer_stream.h"

/* part: plan needs: stream */
/*
 * A dry run makes nothing and finds how many rows each value must keep, and which values never
 * hold rows at the same time: these share their memory. Where whole rows take more memory than
 * there is, passes are cut into strips and coarse maps kept, as far as need be: that costs time,
 * because pixels are made more than once.
 */
/* Columns of the narrowest strip that a pass is cut into. */
enum { INTEGER_NARROWEST = 8 };

/* Whether the value stands for a pass: one that is kept, the output, or the first global one of a
 * level. */
static inline int integer_is_target(const struct integer_stream *stream, int value) {
    const struct integer_track *track = &stream->tracks[value];
    int i;
    for (i = 0; integer_makes_global(stream, value) && i < value; i++)
        if (integer_makes_global(stream, i) && stream->tracks[i].level == track->level) return 0;
    return track->maker >= 0 && (track->is_kept || value == integer_output_of(stream->program));
}

/* The levels that a value becomes if nothing else reads it, or the value itself. */
static inline int integer_shortest(const struct integer_program *program, int value) {
    const struct integer_step *reader = NULL;
    int i, k, readers = 0;
    for (i = 0; i < program->step_count; i++)
        for (k = 0; k < program->steps[i].input_count; k++)
            if (program->steps[i].inputs[k] == value) {
                reader = &program->steps[i];
                readers++;
            }
    return readers == 1 && reader->kind == INTEGER_QUANTIZE ? reader->output : value;
}

/* Keeps the maps that are enlarged to the size of another value, as they are there and as they are
 * where they become coarse. */
static inline void integer_keep_maps(struct integer_stream *stream) {
    const struct integer_program *program = stream->program;
    int i, value;
    for (i = 0; i < program->step_count; i++) {
        const struct integer_step *step = &program->steps[i];
        if (step->kind != INTEGER_RESIZE || step->stride) continue;
        value = step->inputs[0];
        if (stream->tracks[value].maker < 0) continue;
        stream->tracks[value].is_kept = 1;
        for (; stream->tracks[value].maker >= 0; value = step->inputs[0]) {
            step = &program->steps[stream->tracks[value].maker];
            if (!integer_is_window(step) || step->stride == 1) continue;
            stream->tracks[integer_shortest(program, value)].is_kept = 1;
            break;
        }
    }
}

/* The input in whose place a step's row could be made, each element over its own; -1: none. */
static inline int integer_in_place(const struct integer_stream *stream,
                                   const struct integer_step *step) {
    const struct integer_plane *from = &stream->planes[step->inputs[0]];
    const struct integer_plane *to = &stream->planes[step->output];
    const struct integer_track *track = &stream->tracks[step->inputs[0]];
    int k;
    if (step->kind != INTEGER_ACTIVATION && step->kind != INTEGER_PRELU &&
        step->kind != INTEGER_AFFINE && step->kind != INTEGER_ADD && step->kind != INTEGER_MULTIPLY)
        return -1;
    if (track->maker < 0 || track->is_kept || stream->tracks[step->output].is_kept ||
        from->row_bytes != to->row_bytes || from->height != to->height)
        return -1;
    for (k = 1; k < step->input_count; k++)
        if (step->inputs[k] == step->inputs[0]) return -1;
    return step->inputs[0];
}

/* Of the values that could be made in place of an input, those that never hold a row while what has
 * this place does; what they must not meet is then what none of the place must meet. */
static inline void integer_share(struct integer_stream *stream) {
    const struct integer_program *program = stream->program;
    int i, k, other;
    for (i = 0; i < program->step_count; i++) {
        int value = program->steps[i].output, place;
        struct integer_track *track = &stream->tracks[value];
        if (track->share < 0) continue;
        place = integer_place_of(stream, track->share);
        if (i + 1 == program->step_count || track->rows != 1 || stream->tracks[place].rows != 1 ||
            integer_conflict(stream, value, place)) {
            integer_set_conflict(stream, value, track->share);
            track->share = -1;
            continue;
        }
        for (k = 0; k < program->step_count; k++) {
            other = program->steps[k].output;
            if (integer_conflict(stream, value, other)) integer_set_conflict(stream, place, other);
        }
    }
}

/* Bytes of a whole row. */
static inline size_t integer_kept_row(const struct integer_stream *stream, int value) {
    return (size_t)stream->planes[value].columns * integer_pixel(stream->program, value);
}

/* Places of all kept values behind the scratch memory; behind those of a global step lie its
 * totals.
 */
static inline void integer_place_kept(struct integer_stream *stream) {
    const struct integer_program *program = stream->program;
    int i;
    stream->kept = integer_round(program->scratch_bytes);
    for (i = 0; i < program->step_count; i++) {
        struct integer_track *track = &stream->tracks[program->steps[i].output];
        if (!track->is_kept) continue;
        track->offset = stream->kept;
        stream->kept += integer_round(integer_kept_row(stream, program->steps[i].output) *
                                      (size_t)track->rows) +
                        integer_totals_bytes(program, &program->steps[i]);
    }
}

/* Products, or else elements, of a step in a strip. */
static inline double integer_work(const struct integer_stream *stream,
                                  const struct integer_step *step) {
    const struct integer_plane *plane = &stream->planes[step->output];
    double work = (double)plane->width * (double)plane->height *
                  (double)stream->program->values[step->output].channels;
    if (integer_is_window(step)) work *= (double)(step->kernel_h * step->kernel_w);
    if (step->kind == INTEGER_CONVOLUTION || step->kind == INTEGER_FLOAT_CONVOLUTION)
        work *= (double)(stream->program->values[step->inputs[0]].channels / step->groups);
    return work;
}

/* Bytes of memory while the pass of a target runs in so many strips. */
static inline size_t integer_pass_bytes(struct integer_stream *stream, int target, int strips) {
    stream->tracks[target].strips = strips;
    integer_ask_for(stream, target);
    return integer_lay_out(stream, target);
}

static inline double integer_pass_work(struct integer_stream *stream, int target) {
    double work = 0.0;
    int strip, i;
    integer_ask_for(stream, target);
    for (strip = 0; strip < stream->tracks[target].strips; strip++) {
        integer_cut_columns(stream, target, strip);
        for (i = 0; i < stream->program->step_count; i++) {
            const struct integer_step *step = &stream->program->steps[i];
            if (stream->tracks[step->output].is_asked) work += integer_work(stream, step);
        }
    }
    return work;
}

/* As many strips as the pass of a value can have at most. Rows that are made several at a time do
 * not land. */
static inline int integer_most_strips(const struct integer_stream *stream, int target) {
    const struct integer_step *step = &stream->program->steps[stream->tracks[target].maker];
    int columns = stream->planes[target].columns, most;
    most = stream->planes[0].columns / INTEGER_NARROWEST;
    if (integer_is_global(step)) columns = INTEGER_PARTS;
    if (step->kind == INTEGER_ATTENTION) columns = 1;
    if (columns < most) most = columns;
    return most > 1 ? most : 1;
}

/* As few strips of a pass as fit in `most` bytes, or as many as there can be; its bytes. */
static inline size_t integer_choose_strips(struct integer_stream *stream, int target, size_t most) {
    int fewer = 1, strips = integer_most_strips(stream, target);
    if (integer_pass_bytes(stream, target, 1) <= most) strips = 1;
    while (strips - fewer > 1) {
        int middle = fewer + (strips - fewer) / 2;
        if (integer_pass_bytes(stream, target, middle) <= most)
            strips = middle;
        else
            fewer = middle;
    }
    return integer_pass_bytes(stream, target, strips);
}

/* Sizes of all values for a picture of height x width (value 0); 0: it is too small. */
static inline int integer_set_sizes(struct integer_stream *stream, int height, int width) {
    const struct integer_program *program = stream->program;
    struct integer_plane *planes = stream->planes;
    int i, k;
    memset(planes, 0, (size_t)program->value_count * sizeof *planes);
    memset(stream->tracks, 0, (size_t)program->value_count * sizeof *stream->tracks);
    stream->tracks[0].maker = stream->tracks[0].share = -1;
    planes[0].height = stream->tracks[0].rows = height;
    planes[0].width = planes[0].columns = width;
    for (i = 0; i < program->step_count; i++) {
        const struct integer_step *step = &program->steps[i];
        struct integer_plane *plane = &planes[step->output];
        struct integer_track *track = &stream->tracks[step->output];
        integer_size(step, planes, &plane->height, &plane->width);
        if (plane->height < 1 || plane->width < 1) return 0;
        plane->columns = plane->width;
        plane->row_bytes = (size_t)plane->width * integer_pixel(program, step->output);
        track->maker = i;
        track->strips = 1;
        track->is_kept = integer_is_global(step);
        for (k = 0; k < step->input_count; k++)
            if (stream->tracks[step->inputs[k]].level > track->level)
                track->level = stream->tracks[step->inputs[k]].level;
        if (integer_is_global(step)) track->level++;
    }
    return 1;
}

/* Rows and places of all values, with whole rows. */
static inline void integer_dry_run(struct integer_stream *stream) {
    const struct integer_program *program = stream->program;
    int i;
    memset(stream->conflicts, 0,
           (size_t)program->value_count * integer_words(program) * sizeof *stream->conflicts);
    stream->run = NULL;
    for (i = 0; i < program->step_count; i++) {
        struct integer_track *track = &stream->tracks[program->steps[i].output];
        track->share = integer_in_place(stream, &program->steps[i]);
        track->rows = 0;
    }
    integer_stream_run(stream);
    for (i = 0; i < program->value_count; i++)
        if (integer_makes_global(stream, i)) stream->tracks[i].rows = 1;
    i = integer_output_of(program);
    stream->tracks[i].rows = stream->planes[i].height;
    integer_share(stream);
    integer_place_kept(stream);
}

/* A way to make a picture in `most` bytes, or in as few as possible: with coarse maps kept or not,
 * and in as few strips as fit. */
struct integer_way {
    int is_whole; /* no strips */
    size_t bytes; /* of memory; 0: too small a picture */
    double work;  /* products, or else elements, were it not for the borders of bands */
};

static inline struct integer_way integer_find_way(struct integer_stream *stream, int height,
                                                  int width, size_t most, int keeps_maps) {
    struct integer_way way = {1, 0, 0.0};
    int i, pass;
    if (!integer_set_sizes(stream, height, width)) return way;
    if (keeps_maps) integer_keep_maps(stream);
    integer_dry_run(stream);
    /* The second time with what the pass that cannot do with less takes. */
    for (pass = 0; pass < 2; pass++)
        for (i = 0; i < stream->program->value_count; i++) {
            size_t bytes = 0;
            if (integer_is_target(stream, i))
                bytes = integer_choose_strips(stream, i, way.bytes > most ? way.bytes : most);
            if (bytes > way.bytes) way.bytes = bytes;
        }
    for (i = 0; i < stream->program->value_count; i++) {
        if (!integer_is_target(stream, i)) continue;
        if (stream->tracks[i].strips > 1) way.is_whole = 0;
        way.work += integer_pass_work(stream, i);
    }
    return way;
}

/*
 * How a picture of height x width is made in at most `most` bytes with least work, or in as few
 * bytes as possible. Bytes of memory with scratch; 0 if the picture is too small. The output keeps
 * all its rows and is not counted.
 */
static inline size_t integer_stream_plan(struct integer_stream *stream, int height, int width,
                                         size_t most) {
    struct integer_way plain = integer_find_way(stream, height, width, most, 0), kept;
    if (plain.bytes == 0 || (plain.is_whole && plain.bytes <= most)) return plain.bytes;
    kept = integer_find_way(stream, height, width, most, 1);
    if (kept.bytes <= most && plain.bytes <= most ? kept.work <= plain.work
                                                  : kept.bytes <= plain.bytes)
        return kept.bytes;
    return integer_find_way(stream, height, width, most, 0).bytes;
}
/* end */
#endif
