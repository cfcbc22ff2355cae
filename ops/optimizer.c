#include "ops/optimizer.h"
#include "core/memory.h"
#include "core/threads.h"
#include <math.h>

const char *const optimizer_names[OPTIMIZER_KINDS] = {"sgd", "adam", "adamw"};

enum { PARALLEL_FLOATS = 32768, NORM_GRAIN = 16384 };

struct optimizer_settings optimizer_defaults(enum optimizer_kind kind) {
    struct optimizer_settings settings = {
        .kind = kind, .momentum = 0.9, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};
    if (kind == OPTIMIZER_ADAMW) settings.weight_decay = 0.01;
    return settings;
}

struct optimizer *optimizer_create(struct optimizer_settings settings, size_t count) {
    struct optimizer *optimizer = memory_allocate(sizeof *optimizer);
    optimizer->settings = settings;
    optimizer->count = count;
    optimizer->first = memory_allocate_aligned(count * sizeof(float));
    if (settings.kind != OPTIMIZER_SGD) {
        optimizer->second = memory_allocate_aligned(count * sizeof(float));
    }
    return optimizer;
}

void optimizer_free(struct optimizer *optimizer) {
    if (!optimizer) return;
    memory_free(optimizer->first);
    memory_free(optimizer->second);
    memory_free(optimizer);
}

static void sgd_step(struct optimizer *optimizer, float *restrict values,
                     const float *restrict gradients, double learning_rate) {
    float *restrict buffer = optimizer->first;
    float momentum = (float)optimizer->settings.momentum, rate = (float)learning_rate;
    float decay = (float)optimizer->settings.weight_decay;
    /* The buffer starts as the first gradient: with zeros in it, that is momentum * 0 + g. */
    float ahead = optimizer->settings.nesterov ? 1.0f : 0.0f;
    size_t count = optimizer->count;
#pragma omp parallel for simd schedule(static) if (count > PARALLEL_FLOATS)
    for (size_t i = 0; i < count; i++) {
        float g = gradients[i] + decay * values[i];
        float b = momentum * buffer[i] + g;
        buffer[i] = b;
        values[i] -= rate * (ahead != 0.0f ? g + momentum * b : b);
    }
}

static void adam_step(struct optimizer *optimizer, float *restrict values,
                      const float *restrict gradients, double learning_rate) {
    const struct optimizer_settings *settings = &optimizer->settings;
    float *restrict first = optimizer->first, *restrict second = optimizer->second;
    double steps = (double)optimizer->steps;
    double correction1 = 1.0 - pow(settings->beta1, steps);
    double correction2 = 1.0 - pow(settings->beta2, steps);
    bool is_decoupled = settings->kind == OPTIMIZER_ADAMW;
    float decay = is_decoupled ? 0.0f : (float)settings->weight_decay;
    float keep = is_decoupled ? (float)(1.0 - learning_rate * settings->weight_decay) : 1.0f;
    float beta1 = (float)settings->beta1, rest1 = (float)(1.0 - settings->beta1);
    float beta2 = (float)settings->beta2, rest2 = (float)(1.0 - settings->beta2);
    float rate = (float)(learning_rate / correction1);
    float scale = (float)(1.0 / sqrt(correction2)), epsilon = (float)settings->epsilon;
    size_t count = optimizer->count;
#pragma omp parallel for simd schedule(static) if (count > PARALLEL_FLOATS)
    for (size_t i = 0; i < count; i++) {
        float g = gradients[i] + decay * values[i];
        float m = beta1 * first[i] + rest1 * g;
        float v = beta2 * second[i] + rest2 * g * g;
        first[i] = m;
        second[i] = v;
        values[i] = keep * values[i] - rate * m / (sqrtf(v) * scale + epsilon);
    }
}

void optimizer_step(struct optimizer *optimizer, float *values, const float *gradients,
                    double learning_rate) {
    optimizer->steps++;
    if (optimizer->settings.kind == OPTIMIZER_SGD) {
        sgd_step(optimizer, values, gradients, learning_rate);
    } else {
        adam_step(optimizer, values, gradients, learning_rate);
    }
}

double gradient_norm(const float *gradients, size_t count) {
    double partial[THREADS_MAX_CHUNKS];
    int chunks = threads_chunks(count, NORM_GRAIN);
#pragma omp parallel for schedule(static)
    for (int chunk = 0; chunk < chunks; chunk++) {
        size_t begin, end;
        double sum = 0;
        threads_chunk(count, chunks, chunk, &begin, &end);
        for (size_t i = begin; i < end; i++)
            sum += (double)gradients[i] * gradients[i];
        partial[chunk] = sum;
    }
    double total = 0;
    for (int chunk = 0; chunk < chunks; chunk++)
        total += partial[chunk];
    return sqrt(total);
}

double gradient_clip(float *gradients, size_t count, double limit) {
    double norm = gradient_norm(gradients, count);
    double factor = limit / (norm + 1e-6);
    if (!(factor < 1)) return norm;
    float scale = (float)factor;
#pragma omp parallel for simd schedule(static) if (count > PARALLEL_FLOATS)
    for (size_t i = 0; i < count; i++)
        gradients[i] *= scale;
    return norm;
}

void average_update(float *average, const float *values, size_t count, double decay) {
    float keep = (float)decay, rest = (float)(1.0 - decay);
#pragma omp parallel for simd schedule(static) if (count > PARALLEL_FLOATS)
    for (size_t i = 0; i < count; i++)
        average[i] = keep * average[i] + rest * values[i];
}
