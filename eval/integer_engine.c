#include "eval/integer_engine.h"
#include "core/log.h"
#include "core/threads.h"
#include "ops/integer_rows.h"
#include <omp.h>
#include <string.h>

enum { ALIGNMENT = 64 };

struct integer_engine integer_engine_create(const struct integer_network *network,
                                            const struct integer_kernel *kernel) {
    const struct integer_program *program = &network->program;
    struct integer_engine engine = {.network = network, .scratch_bytes = program->scratch_bytes};
    engine.planes = memory_allocate((size_t)program->value_count * sizeof *engine.planes);
    engine.packed = memory_allocate((size_t)program->step_count * sizeof *engine.packed);
    for (int i = 0; i < program->step_count; i++) {
        struct integer_packed *packed = &engine.packed[i];
        if (program->steps[i].kind != INTEGER_CONVOLUTION ||
            !integer_packed_create(packed, kernel, program, &program->steps[i])) {
            *packed = (struct integer_packed){0};
            continue;
        }
        size_t bytes = integer_packed_scratch(packed, program);
        if (bytes > engine.scratch_bytes) engine.scratch_bytes = bytes;
    }
    return engine;
}

void integer_engine_free(struct integer_engine *engine) {
    for (int i = 0; engine->packed && i < engine->network->program.step_count; i++)
        integer_packed_free(&engine->packed[i]);
    integer_groups_free(&engine->groups);
    memory_free(engine->packed);
    memory_free(engine->planes);
    memory_free(engine->memory);
    memory_free(engine->scratch);
    memory_free(engine->seconds);
    *engine = (struct integer_engine){0};
}

void integer_engine_set_timing(struct integer_engine *engine) {
    size_t count = (size_t)threads_get() * (size_t)engine->network->program.step_count;
    memory_free(engine->seconds);
    engine->seconds = memory_allocate(count * sizeof *engine->seconds);
    memset(engine->seconds, 0, count * sizeof *engine->seconds);
}

double integer_engine_step_seconds(const struct integer_engine *engine, int step) {
    double seconds = 0;
    for (int i = 0; i < engine->threads; i++)
        seconds += engine->seconds[i * engine->network->program.step_count + step];
    return seconds / engine->threads;
}

/* Times are taken only while steps are measured. */
static double begin_time(const struct integer_engine *engine) {
    return engine->seconds ? clock_seconds() : 0;
}
static void add_time(const struct integer_engine *engine, int step, double begin) {
    if (!engine->seconds) return;
    int at = omp_get_thread_num() * engine->network->program.step_count + step;
    engine->seconds[at] += clock_seconds() - begin;
}

static size_t rounded(size_t bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* A thread has planes of its own, which it moves along the row, and pieces of rows. */
static size_t thread_bytes(const struct integer_engine *engine) {
    size_t values = (size_t)engine->network->program.value_count;
    return rounded(engine->scratch_bytes) + rounded(values * sizeof *engine->planes) +
           rounded(engine->groups.piece_bytes);
}

static bool find_sizes(struct integer_engine *engine, int height, int width, struct error *error) {
    const struct integer_network *network = engine->network;
    const struct integer_program *program = &network->program;
    engine->planes[network->input] = (struct integer_plane){
        .height = height, .width = width, .rows = height, .row_bytes = 3 * (size_t)width};
    for (int i = 0; i < program->step_count; i++) {
        const struct integer_step *step = &program->steps[i];
        struct integer_plane *plane = &engine->planes[step->output];
        integer_step_size(step, engine->planes, &plane->height, &plane->width);
        if (plane->height < 1 || plane->width < 1)
            return error_add(error, ERROR_DATA, "a picture of %dx%d pixels is too small for \"%s\"",
                             width, height, network->names[i]);
        plane->rows = plane->height;
        plane->row_bytes = integer_row_bytes(program, step->output, plane->width);
    }
    return true;
}

static bool prepare(struct integer_engine *engine, int height, int width, struct error *error) {
    const struct integer_network *network = engine->network;
    const struct integer_program *program = &network->program;
    int threads = threads_get();
    if (engine->height == height && engine->width == width && engine->threads == threads)
        return true;
    engine->height = engine->width = 0;
    if (!find_sizes(engine, height, width, error)) return false;
    struct integer_groups *groups = &engine->groups;
    integer_groups_free(groups);
    integer_groups_create(groups, program, engine->packed, engine->planes, network->input,
                          network->output);
    if (groups->image_bytes > engine->bytes) {
        memory_free(engine->memory);
        engine->memory = memory_allocate_aligned(groups->image_bytes);
        engine->bytes = groups->image_bytes;
    }
    for (int i = 0; i < program->step_count; i++) {
        int value = program->steps[i].output;
        if (!integer_groups_is_private(groups, value))
            engine->planes[value].data = engine->memory + groups->offsets[value];
    }
    memory_free(engine->scratch);
    engine->scratch = memory_allocate_aligned((size_t)threads * thread_bytes(engine));
    engine->threads = threads;
    engine->height = height;
    engine->width = width;
    return true;
}

/* A step by itself, row by row. */
static void run_step(struct integer_engine *engine, int index) {
    const struct integer_program *program = &engine->network->program;
    const struct integer_step *step = &program->steps[index];
    bool is_global = integer_step_is_global(step) != 0;
    int height = engine->planes[is_global ? step->inputs[0] : step->output].height;
    /* The rows of a global step are added up in their order. */
#pragma omp parallel for schedule(static) if (height > 1 && !is_global)
    for (int y = 0; y < height; y++) {
        int begin, end;
        integer_step_band(step, engine->planes, y, &begin, &end);
        if (begin != y) continue;
        struct integer_call call = {.program = program,
                                    .step = step,
                                    .planes = engine->planes,
                                    .scratch = engine->scratch +
                                               (size_t)omp_get_thread_num() * thread_bytes(engine)};
        double start = begin_time(engine);
        integer_run_row(&call, y);
        add_time(engine, index, start);
    }
}

/* Pixel `first` of row y of a value. */
static unsigned char *pixel_of(const struct integer_engine *engine, int value, int y, int first,
                               unsigned char *pieces) {
    if (integer_groups_is_private(&engine->groups, value))
        return pieces + engine->groups.offsets[value];
    return integer_row(&engine->planes[value], y) +
           integer_row_bytes(&engine->network->program, value, first);
}

/* What a step of a tail does with the floats; `value` is theirs. */
static struct integer_tail_step tail_step(const struct integer_engine *engine,
                                          const struct integer_step *step, int value, int y,
                                          int first, unsigned char *pieces) {
    const struct integer_value *output = &engine->network->program.values[step->output];
    struct integer_tail_step result = {.number = step->number};
    if (step->kind == INTEGER_ACTIVATION) {
        result.kind = step->option == INTEGER_RELU      ? INTEGER_TAIL_RELU
                      : step->option == INTEGER_SIGMOID ? INTEGER_TAIL_SIGMOID
                                                        : INTEGER_TAIL_LEAKY_RELU;
    } else if (step->kind == INTEGER_QUANTIZE) {
        result.kind = INTEGER_TAIL_QUANTIZE;
        result.zero = output->zero;
        result.highest = output->highest;
        result.data = pixel_of(engine, step->output, y, first, pieces);
    } else {
        int other = step->inputs[step->inputs[0] == value];
        result.kind = step->kind == INTEGER_ADD ? INTEGER_TAIL_ADD : INTEGER_TAIL_MULTIPLY;
        result.data = pixel_of(engine, other, y, first, pieces);
    }
    return result;
}

/* The steps behind the convolution `steps[0]` that run after it in one pass. */
static struct integer_tail make_tail(const struct integer_engine *engine, const int *steps,
                                     int count, int y, int first, unsigned char *pieces) {
    const struct integer_program *program = &engine->network->program;
    int value = program->steps[steps[0]].output;
    struct integer_tail tail = {.count = 0};
    for (int i = 1; i <= count; i++) {
        const struct integer_step *step = &program->steps[steps[i]];
        tail.steps[tail.count++] = tail_step(engine, step, value, y, first, pieces);
        if (step->kind == INTEGER_QUANTIZE) continue;
        value = step->output;
        if (engine->groups.is_passed[value]) continue;
        tail.steps[tail.count++] = (struct integer_tail_step){
            .kind = INTEGER_TAIL_STORE, .data = pixel_of(engine, value, y, first, pieces)};
    }
    return tail;
}

/* Moves the plane of a value so that its pixel 0 is number `first` of the row. */
static void move_plane(const struct integer_engine *engine, int value, int first, int count,
                       unsigned char *pieces, struct integer_plane *planes) {
    struct integer_plane *plane = &planes[value];
    *plane = engine->planes[value];
    plane->width = count;
    if (integer_groups_is_private(&engine->groups, value)) {
        plane->rows = 1;
        plane->data = pieces + engine->groups.offsets[value];
    } else {
        plane->data += integer_row_bytes(&engine->network->program, value, first);
    }
}

/* Pixels first .. first + count of row y by the first of `steps`, with so many behind it as its
 * tail. */
static void run_piece(const struct integer_engine *engine, const int *steps, int tail_count,
                      struct integer_call *call, unsigned char *pieces, int y, int first,
                      int count) {
    int index = steps[0];
    const struct integer_step *step = &engine->network->program.steps[index];
    bool is_local = integer_step_is_local(step);
    double start = begin_time(engine);
    int width = engine->planes[step->output].width;
    for (int i = 0; i < step->input_count; i++) {
        int input = step->inputs[i];
        if (is_local && engine->planes[input].width == width)
            move_plane(engine, input, first, count, pieces, call->planes);
        else
            call->planes[input] = engine->planes[input];
    }
    move_plane(engine, step->output, first, count, pieces, call->planes);
    call->step = step;
    if (!engine->packed[index].kernel) {
        integer_run_row(call, y);
    } else {
        integer_packed_row(&engine->packed[index], call, y, is_local ? 0 : first);
    }
    if (tail_count) {
        struct integer_tail tail = make_tail(engine, steps, tail_count, y, first, pieces);
        size_t channels = (size_t)engine->network->program.values[step->output].channels;
        engine->packed[index].kernel->tail(&tail, integer_output_floats(call, y),
                                           (size_t)count * channels);
    }
    add_time(engine, index, start);
}

/* Asks for what the group reads pixel by pixel of images, while its first sums are made. */
static void prefetch_piece(const struct integer_engine *engine, const struct integer_group *group,
                           int y, int first, int count) {
    const struct integer_program *program = &engine->network->program;
    for (int k = 0; k < group->read_count; k++) {
        int value = group->reads[k];
        const unsigned char *from =
            integer_row(&engine->planes[value], y) + integer_row_bytes(program, value, first);
        size_t bytes = integer_row_bytes(program, value, count);
        for (size_t i = 0; i < bytes; i += ALIGNMENT)
            __builtin_prefetch(from + i);
    }
}

/* Every piece of a row by all steps before the next. */
static void run_group(struct integer_engine *engine, const struct integer_group *group) {
    const struct integer_program *program = &engine->network->program;
    const struct integer_plane *plane = &engine->planes[program->steps[group->steps[0]].output];
    int height = plane->height, width = plane->width;
    size_t plane_bytes = rounded((size_t)program->value_count * sizeof *plane);
#pragma omp parallel for schedule(static)
    for (int y = 0; y < height; y++) {
        unsigned char *memory =
            engine->scratch + (size_t)omp_get_thread_num() * thread_bytes(engine);
        struct integer_call call = {.program = program,
                                    .planes = (struct integer_plane *)(void *)memory,
                                    .scratch = memory + plane_bytes};
        unsigned char *pieces = memory + plane_bytes + rounded(engine->scratch_bytes);
        for (int first = 0; first < width; first += group->piece) {
            int count = width - first < group->piece ? width - first : group->piece;
            prefetch_piece(engine, group, y, first, count);
            for (int i = 0; i < group->count; i += 1 + group->tails[i])
                run_piece(engine, group->steps + i, group->tails[i], &call, pieces, y, first,
                          count);
        }
    }
}

/* Three channels of a picture that may have one. */
static unsigned char *rgb_of(const struct image *low) {
    size_t pixels = (size_t)low->width * (size_t)low->height;
    unsigned char *rgb = memory_allocate(pixels * 3);
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++)
            rgb[i * 3 + c] = low->pixels[i * (size_t)low->channels + (low->channels == 3 ? c : 0)];
    return rgb;
}

struct image integer_engine_upscale(struct integer_engine *engine, const struct image *low,
                                    struct error *error) {
    if (!prepare(engine, low->height, low->width, error)) return (struct image){0};
    const struct integer_network *network = engine->network;
    struct integer_plane *output = &engine->planes[network->output];
    unsigned char *rgb = rgb_of(low);
    engine->planes[network->input].data = rgb;
    for (int i = 0; i < engine->groups.count; i++) {
        const struct integer_group *group = &engine->groups.items[i];
        if (group->piece)
            run_group(engine, group);
        else
            run_step(engine, group->steps[0]);
    }
    struct image image = image_create(output->width, output->height, 3);
    memcpy(image.pixels, output->data, image_bytes(&image));
    memory_free(rgb);
    return image;
}
