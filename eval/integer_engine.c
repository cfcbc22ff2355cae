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

/* A thread has planes of its own, which it moves along the row, pieces of rows, and rings of rows.
 */
static size_t thread_bytes(const struct integer_engine *engine) {
    size_t values = (size_t)engine->network->program.value_count;
    return rounded(engine->scratch_bytes) + rounded(values * sizeof *engine->planes) +
           rounded(engine->groups.piece_bytes) + rounded(engine->groups.ring_bytes);
}

static bool find_sizes(struct integer_engine *engine, int height, int width, struct error *error) {
    const struct integer_network *network = engine->network;
    const struct integer_program *program = &network->program;
    engine->planes[network->input] = (struct integer_plane){.height = height,
                                                            .width = width,
                                                            .columns = width,
                                                            .rows = height,
                                                            .row_bytes = 3 * (size_t)width};
    for (int i = 0; i < program->step_count; i++) {
        const struct integer_step *step = &program->steps[i];
        struct integer_plane *plane = &engine->planes[step->output];
        integer_step_size(step, engine->planes, &plane->height, &plane->width);
        if (plane->height < 1 || plane->width < 1)
            return error_add(error, ERROR_DATA, "a picture of %dx%d pixels is too small for \"%s\"",
                             width, height, network->names[i]);
        plane->rows = plane->height;
        plane->columns = plane->width;
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
                          network->output, threads);
    if (groups->image_bytes > engine->bytes) {
        memory_free(engine->memory);
        engine->memory = memory_allocate_aligned(groups->image_bytes);
        engine->bytes = groups->image_bytes;
    }
    for (int i = 0; i < program->step_count; i++) {
        int value = program->steps[i].output;
        if (groups->is_image[value])
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

/* A thread in its band of the rows of a chain. */
struct worker {
    const struct integer_engine *engine;
    int chain, begin, end;
    struct integer_call call;
    unsigned char *pieces, *rings;
};

/* The rows of a value around row y: of a piece, the thread's own, or an image. */
static struct integer_plane rows_of(const struct worker *worker, int value, int y) {
    const struct integer_groups *groups = &worker->engine->groups;
    struct integer_plane plane = worker->engine->planes[value];
    int made = groups->made[value];
    if (integer_groups_is_private(groups, value)) {
        plane.rows = groups->piece_rows[value];
        plane.row_bytes = integer_row_bytes(worker->call.program, value, groups->items[made].piece);
        plane.data = worker->pieces + groups->offsets[value];
        return plane;
    }
    bool is_own =
        made >= 0 && groups->chain_of[made] == worker->chain && groups->ring_rows[value] > 0;
    if (is_own && (groups->is_followed[value] || y < worker->begin || y >= worker->end)) {
        plane.rows = groups->ring_rows[value];
        plane.data = worker->rings + groups->ring_offsets[value];
    }
    return plane;
}

/* Pixel `first` of row y of a value. */
static unsigned char *pixel_of(const struct worker *worker, int value, int y, int first) {
    const struct integer_engine *engine = worker->engine;
    if (integer_groups_is_private(&engine->groups, value)) first = 0;
    struct integer_plane rows = rows_of(worker, value, y);
    return integer_row(&rows, y) + integer_row_bytes(&engine->network->program, value, first);
}

/* What a step of a tail does with the floats; `value` is theirs. */
static struct integer_tail_step tail_step(const struct worker *worker,
                                          const struct integer_step *step, int value, int y,
                                          int first) {
    const struct integer_value *output = &worker->call.program->values[step->output];
    struct integer_tail_step result = {.number = step->number};
    if (step->kind == INTEGER_ACTIVATION) {
        result.kind = step->option == INTEGER_RELU      ? INTEGER_TAIL_RELU
                      : step->option == INTEGER_SIGMOID ? INTEGER_TAIL_SIGMOID
                                                        : INTEGER_TAIL_LEAKY_RELU;
    } else if (step->kind == INTEGER_QUANTIZE) {
        result.kind = INTEGER_TAIL_QUANTIZE;
        result.zero = output->zero;
        result.highest = output->highest;
        result.data = pixel_of(worker, step->output, y, first);
    } else {
        int other = step->inputs[step->inputs[0] == value];
        result.kind = step->kind == INTEGER_ADD ? INTEGER_TAIL_ADD : INTEGER_TAIL_MULTIPLY;
        result.data = pixel_of(worker, other, y, first);
    }
    return result;
}

/* The steps behind the convolution `steps[0]` that run after it in one pass. */
static struct integer_tail make_tail(const struct worker *worker, const int *steps, int count,
                                     int y, int first) {
    const struct integer_program *program = worker->call.program;
    int value = program->steps[steps[0]].output;
    struct integer_tail tail = {.count = 0};
    for (int i = 1; i <= count; i++) {
        const struct integer_step *step = &program->steps[steps[i]];
        tail.steps[tail.count++] = tail_step(worker, step, value, y, first);
        if (step->kind == INTEGER_QUANTIZE) continue;
        value = step->output;
        if (worker->engine->groups.is_passed[value]) continue;
        tail.steps[tail.count++] = (struct integer_tail_step){
            .kind = INTEGER_TAIL_STORE, .data = pixel_of(worker, value, y, first)};
    }
    return tail;
}

/* The plane of a value, moved so that its pixel 0 is number `first` of row y. */
static struct integer_plane moved_plane(const struct worker *worker, int value, int y, int first,
                                        int count) {
    struct integer_plane plane = rows_of(worker, value, y);
    plane.width = count;
    if (!integer_groups_is_private(&worker->engine->groups, value))
        plane.data += integer_row_bytes(worker->call.program, value, first);
    return plane;
}

/* Pixels first .. first + count of rows y .. y + rows by a step. */
static void run_piece(struct worker *worker, int index, int y, int rows, int first, int count) {
    const struct integer_engine *engine = worker->engine;
    struct integer_call *call = &worker->call;
    const struct integer_step *step = &call->program->steps[index];
    bool is_local = integer_step_is_local(step);
    double start = begin_time(engine);
    int width = engine->planes[step->output].width;
    for (int i = 0; i < step->input_count; i++) {
        int input = step->inputs[i];
        call->planes[input] = is_local && engine->planes[input].width == width
                                  ? moved_plane(worker, input, y, first, count)
                                  : rows_of(worker, input, y);
    }
    call->planes[step->output] = moved_plane(worker, step->output, y, first, count);
    call->step = step;
    if (engine->packed[index].kernel)
        integer_packed_rows(&engine->packed[index], call, y, rows, is_local ? 0 : first);
    else
        integer_run_row(call, y);
    add_time(engine, index, start);
}

/* The tail of so many steps behind the first of `steps`, which made its floats. */
static void run_tail(const struct worker *worker, const int *steps, int tail_count, int y,
                     int first, int count) {
    const struct integer_program *program = worker->call.program;
    int value = program->steps[steps[0]].output;
    double start = begin_time(worker->engine);
    struct integer_tail tail = make_tail(worker, steps, tail_count, y, first);
    const float *floats = (const float *)(const void *)pixel_of(worker, value, y, first);
    worker->engine->packed[steps[0]].kernel->tail(
        &tail, floats, (size_t)count * (size_t)program->values[value].channels);
    add_time(worker->engine, steps[0], start);
}

/* The steps of a group that make rows together. Where rows beyond the band lie elsewhere, those are
 * made by themselves. */
static void run_blocks(struct worker *worker, const struct integer_group *group, int y, int rows,
                       int first, int count) {
    const struct integer_engine *engine = worker->engine;
    for (int i = 0; i < group->count; i++) {
        int step = group->steps[i], value = worker->call.program->steps[step].output, together;
        if (!engine->packed[step].words) continue;
        bool is_parted = engine->groups.is_image[value] && !engine->groups.is_followed[value];
        for (int at = y; at < y + rows; at += together) {
            int edge = at < worker->begin ? worker->begin
                       : at < worker->end ? worker->end
                                          : y + rows;
            together = y + rows - at;
            if (is_parted && edge - at < together) together = edge - at;
            run_piece(worker, step, at, together, first, count);
        }
    }
}

/* Asks for what the group reads pixel by pixel of images, while its first sums are made. */
static void prefetch_piece(const struct worker *worker, const struct integer_group *group, int y,
                           int first, int count) {
    for (int k = 0; k < group->read_count; k++) {
        const unsigned char *from = pixel_of(worker, group->reads[k], y, first);
        size_t bytes = integer_row_bytes(worker->call.program, group->reads[k], count);
        for (size_t i = 0; i < bytes; i += ALIGNMENT)
            __builtin_prefetch(from + i);
    }
}

/* Every piece of some rows by all steps before the next. */
static void run_rows(struct worker *worker, const struct integer_group *group, int y, int rows) {
    const struct integer_engine *engine = worker->engine;
    const int *steps = group->steps;
    int width = engine->planes[worker->call.program->steps[steps[0]].output].width;
    for (int first = 0; first < width; first += group->piece) {
        int count = width - first < group->piece ? width - first : group->piece;
        if (group->has_blocks) run_blocks(worker, group, y, rows, first, count);
        for (int row = y; row < y + rows; row++) {
            prefetch_piece(worker, group, row, first, count);
            for (int i = 0; i < group->count; i += 1 + group->tails[i]) {
                if (!engine->packed[steps[i]].words)
                    run_piece(worker, steps[i], row, 1, first, count);
                if (group->tails[i])
                    run_tail(worker, steps + i, group->tails[i], row, first, count);
            }
        }
    }
}

/* Row y of the band, of values that a later chain reads too. */
static void copy_to_images(const struct worker *worker, const struct integer_group *group, int y) {
    const struct integer_engine *engine = worker->engine;
    const struct integer_groups *groups = &engine->groups;
    if (y < worker->begin || y >= worker->end) return;
    for (int i = 0; i < group->count; i++) {
        int value = worker->call.program->steps[group->steps[i]].output;
        if (groups->is_image[value] && groups->is_followed[value])
            memcpy(integer_row(&engine->planes[value], y), pixel_of(worker, value, y, 0),
                   engine->planes[value].row_bytes);
    }
}

static int within(int y, int height) {
    return y < 0 ? 0 : y > height ? height : y;
}

/* The rows of one thread, group behind group. */
static void run_band(struct worker *worker, const struct integer_chain *chain, int height) {
    const struct integer_group *groups = worker->engine->groups.items + chain->first;
    bool is_done = false;
    for (int time = 0; !is_done; time++) {
        is_done = true;
        for (int i = 0; i < chain->count; i++) {
            int beyond = chain->halo - groups[i].lag, end = within(worker->end + beyond, height);
            int y = within(worker->begin - beyond, height) + (time - groups[i].delay) * chain->rows;
            if (y >= end) continue;
            is_done = false;
            if (time < groups[i].delay) continue;
            int rows = end - y < chain->rows ? end - y : chain->rows;
            run_rows(worker, &groups[i], y, rows);
            for (int k = 0; k < rows; k++)
                copy_to_images(worker, &groups[i], y + k);
        }
    }
}

static void run_chain(struct integer_engine *engine, int index) {
    const struct integer_program *program = &engine->network->program;
    const struct integer_chain *chain = &engine->groups.chains[index];
    int first_step = engine->groups.items[chain->first].steps[0];
    int height = engine->planes[program->steps[first_step].output].height;
    size_t plane_bytes = rounded((size_t)program->value_count * sizeof(struct integer_plane));
#pragma omp parallel
    {
        int thread = omp_get_thread_num(), threads = omp_get_num_threads();
        unsigned char *memory = engine->scratch + (size_t)thread * thread_bytes(engine);
        struct worker worker = {.engine = engine,
                                .chain = index,
                                .begin = (int)((int64_t)height * thread / threads),
                                .end = (int)((int64_t)height * (thread + 1) / threads)};
        worker.call = (struct integer_call){.program = program,
                                            .planes = (struct integer_plane *)(void *)memory,
                                            .scratch = memory + plane_bytes};
        worker.pieces = memory + plane_bytes + rounded(engine->scratch_bytes);
        worker.rings = worker.pieces + rounded(engine->groups.piece_bytes);
        if (worker.begin < worker.end) run_band(&worker, chain, height);
    }
}

struct image integer_engine_upscale(struct integer_engine *engine, const struct image *low,
                                    struct error *error) {
    if (!prepare(engine, low->height, low->width, error)) return (struct image){0};
    const struct integer_network *network = engine->network;
    struct integer_plane *output = &engine->planes[network->output];
    struct image rgb = image_to_rgb(low);
    struct image image = image_create(output->width, output->height, 3);
    engine->planes[network->input].data = rgb.pixels;
    output->data = image.pixels;
    for (int i = 0; i < engine->groups.chain_count; i++) {
        const struct integer_group *first = &engine->groups.items[engine->groups.chains[i].first];
        if (first->piece)
            run_chain(engine, i);
        else
            run_step(engine, first->steps[0]);
    }
    image_free(&rgb);
    return image;
}
