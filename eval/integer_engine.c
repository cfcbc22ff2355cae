#include "eval/integer_engine.h"
#include "core/threads.h"
#include "ops/integer_rows.h"
#include <omp.h>
#include <string.h>

enum { ALIGNMENT = 64 };

struct integer_engine integer_engine_create(const struct integer_network *network) {
    size_t values = (size_t)network->program.value_count;
    struct integer_engine engine = {.network = network};
    engine.planes = memory_allocate(values * sizeof *engine.planes);
    engine.last_use = memory_allocate(values * sizeof *engine.last_use);
    for (int i = 0; i < network->program.step_count; i++) {
        const struct integer_step *step = &network->program.steps[i];
        for (int k = 0; k < step->input_count; k++)
            engine.last_use[step->inputs[k]] = i;
    }
    engine.last_use[network->output] = network->program.step_count;
    return engine;
}

void integer_engine_free(struct integer_engine *engine) {
    memory_free(engine->planes);
    memory_free(engine->last_use);
    memory_free(engine->memory);
    memory_free(engine->scratch);
    *engine = (struct integer_engine){0};
}

static size_t rounded(size_t bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static size_t plane_bytes(const struct integer_engine *engine, const struct integer_step *step) {
    return rounded(
        integer_value_memory(&engine->network->program, step, &engine->planes[step->output]));
}

/* A piece of the arena that a value takes while it lives. */
struct piece {
    size_t begin, bytes;
    int until; /* step */
};

/* The first gap that is large enough among the pieces that are still needed at `step`. */
static size_t find_place(const struct piece *pieces, int count, int step, size_t bytes) {
    size_t begin = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < count; i++) {
            const struct piece *piece = &pieces[i];
            if (piece->until < step || piece->begin >= begin + bytes ||
                piece->begin + piece->bytes <= begin)
                continue;
            begin = piece->begin + piece->bytes;
            moved = true;
        }
    }
    return begin;
}

static void lay_out(struct integer_engine *engine) {
    const struct integer_program *program = &engine->network->program;
    struct piece *pieces = memory_allocate((size_t)program->step_count * sizeof *pieces);
    size_t total = 0;
    for (int i = 0; i < program->step_count; i++) {
        const struct integer_step *step = &program->steps[i];
        struct piece *piece = &pieces[i];
        piece->bytes = plane_bytes(engine, step);
        piece->begin = find_place(pieces, i, i, piece->bytes);
        piece->until = engine->last_use[step->output];
        if (piece->begin + piece->bytes > total) total = piece->begin + piece->bytes;
    }
    if (total > engine->bytes) {
        memory_free(engine->memory);
        engine->memory = memory_allocate_aligned(total);
        engine->bytes = total;
    }
    for (int i = 0; i < program->step_count; i++)
        engine->planes[program->steps[i].output].data = engine->memory + pieces[i].begin;
    memory_free(pieces);
}

static bool prepare(struct integer_engine *engine, int height, int width, struct error *error) {
    const struct integer_network *network = engine->network;
    const struct integer_program *program = &network->program;
    int threads = threads_get();
    if (threads != engine->threads) {
        memory_free(engine->scratch);
        engine->scratch =
            memory_allocate_aligned((size_t)threads * rounded(program->scratch_bytes));
        engine->threads = threads;
    }
    if (engine->height == height && engine->width == width) return true;
    engine->height = engine->width = 0;
    struct integer_plane *input = &engine->planes[network->input];
    *input = (struct integer_plane){
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
    lay_out(engine);
    engine->height = height;
    engine->width = width;
    return true;
}

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
                                    .scratch =
                                        engine->scratch + (size_t)omp_get_thread_num() *
                                                              rounded(program->scratch_bytes)};
        integer_run_row(&call, y);
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
    for (int i = 0; i < network->program.step_count; i++)
        run_step(engine, i);
    struct image image = image_create(output->width, output->height, 3);
    memcpy(image.pixels, output->data, image_bytes(&image));
    memory_free(rgb);
    return image;
}
