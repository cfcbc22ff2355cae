#include "eval/equalize.h"
#include "core/memory.h"
#include "eval/observation.h"
#include "ops/channel_ties.h"
#include "ops/quantizer_table.h"
#include <string.h>

/* A quantized convolution as it reads its input. Arrays are by channel of the input. */
struct reading {
    const struct network_site *site;
    int value; /* that is its input, in the network in float */
    struct shape weight;
    int channels, activation_levels, weight_levels;
    int *classes;                       /* of channel_ties */
    double *minimum, *maximum, *square; /* of what was seen; mean square */
    double *energy;                     /* sum of the squared weights that read it */
    double *largest;                    /* magnitude of weights: [weight.n][weight.c] */
    double importance;
};

struct use {
    int reading, channel;
};

/* Patches that importance is measured on, at most. */
enum { MOST = 16 };

struct equalization {
    const struct network *network, *plain; /* `plain`: in float, not planned */
    struct channel_ties *ties;
    struct reading *readings;
    int reading_count;
    double *factors;  /* by class */
    struct use *uses; /* by class, begin[class] .. begin[class + 1] */
    int *begin;
    double *inverse; /* work: as many as the widest input has channels */
    struct arena arena;
};

static void *room(struct equalization *work, int count, size_t size) {
    return arena_allocate(&work->arena, (size_t)count * size);
}

static int group_rows(const struct reading *reading) {
    return reading->weight.n / (reading->channels / reading->weight.c);
}

static void read_weights(struct equalization *work, struct reading *reading) {
    struct shape shape = reading->weight;
    const float *weight = parameter_values(work->network->parameters, reading->site->weight);
    int rows = group_rows(reading);
    for (int n = 0; n < shape.n; n++)
        for (int k = 0; k < shape.h * shape.w; k++)
            for (int c = 0; c < shape.c; c++) {
                double w = fabs((double)*weight++);
                double *largest = &reading->largest[(size_t)n * (size_t)shape.c + (size_t)c];
                if (w > *largest) *largest = w;
                reading->energy[n / rows * shape.c + c] += w * w;
            }
}

static void list_readings(struct equalization *work) {
    const struct network *network = work->network;
    int widest = 0;
    work->readings = room(work, network->site_count, sizeof *work->readings);
    for (int i = 0; i < network->site_count; i++) {
        const struct network_site *site = &network->sites[i];
        if (site->quantizer_count != 1 || site->weight_step[0] < 0) continue;
        struct reading *reading = &work->readings[work->reading_count++];
        int value = work->plain->sites[i].activation;
        int channels = work->plain->graph->values[value].shape.c;
        struct shape weight = network->parameters->items[site->weight].shape;
        *reading = (struct reading){
            .site = site,
            .value = value,
            .weight = weight,
            .channels = channels,
            .activation_levels =
                quantizer_levels(site->activation_quantizer_bits[0], false, false).highest,
            .weight_levels = quantizer_levels(site->quantizer_bits[0], true, false).highest,
            .classes = room(work, channels, sizeof(int)),
            .minimum = room(work, channels, sizeof(double)),
            .maximum = room(work, channels, sizeof(double)),
            .square = room(work, channels, sizeof(double)),
            .energy = room(work, channels, sizeof(double)),
            .largest = room(work, weight.n * weight.c, sizeof(double))};
        for (int c = 0; c < channels; c++)
            reading->classes[c] = channel_ties_class(work->ties, value, c);
        read_weights(work, reading);
        widest = channels > widest ? channels : widest;
    }
    work->inverse = room(work, widest, sizeof *work->inverse);
}

static bool look_at(const struct observation *observation, struct reading *reading, int batches,
                    struct error *error) {
    struct shape shape = observation->network->graph->values[reading->value].shape;
    const float *values = plan_value(observation->plan, reading->value);
    size_t pixels = shape_pixels(shape);
    for (size_t pixel = 0; pixel < pixels; pixel++)
        for (int c = 0; c < shape.c; c++) {
            double v = (double)values[pixel * (size_t)shape.pitch + (size_t)c];
            if (!isfinite(v))
                return error_add(error, ERROR_FAILED,
                                 "the input of %s is not finite while its channels are equalized",
                                 reading->site->name);
            if (v < reading->minimum[c]) reading->minimum[c] = v;
            if (v > reading->maximum[c]) reading->maximum[c] = v;
            reading->square[c] += v * v / (double)pixels / batches;
        }
    return true;
}

/* --- The error of one site -----------------------------------------------------------------------
 */

static double factor_of(const struct equalization *work, const struct reading *reading, int c) {
    return reading->classes[c] < 0 ? 1 : work->factors[reading->classes[c]];
}

/* Squared error of its output, all channels together, from rounding its input ... */
static double activation_error(const struct equalization *work, const struct reading *reading) {
    double minimum = 0, maximum = 0, gain = 0;
    for (int c = 0; c < reading->channels; c++) {
        double factor = factor_of(work, reading, c);
        minimum = fmin(minimum, reading->minimum[c] * factor);
        maximum = fmax(maximum, reading->maximum[c] * factor);
        gain += reading->energy[c] / (factor * factor);
    }
    double step = (maximum - minimum) / reading->activation_levels;
    return step * step / 12 * gain;
}

/* ... and its weights. */
static double weight_error(const struct equalization *work, const struct reading *reading) {
    struct shape shape = reading->weight;
    int rows = group_rows(reading);
    double error = 0;
    for (int begin = 0; begin < reading->channels; begin += shape.c) {
        double square = 0;
        for (int c = 0; c < shape.c; c++) {
            double factor = factor_of(work, reading, begin + c);
            work->inverse[c] = 1 / factor;
            square += reading->square[begin + c] * factor * factor;
        }
        for (int n = begin / shape.c * rows; n < (begin / shape.c + 1) * rows; n++) {
            double largest = 0;
            const double *row = &reading->largest[(size_t)n * (size_t)shape.c];
            for (int c = 0; c < shape.c; c++)
                largest = fmax(largest, row[c] * work->inverse[c]);
            double step = largest / reading->weight_levels;
            error += step * step / 12 * square * (double)(shape.h * shape.w);
        }
    }
    return error;
}

static double site_error(const struct equalization *work, const struct reading *reading) {
    return reading->importance * (activation_error(work, reading) + weight_error(work, reading));
}

/* --- How much it matters -------------------------------------------------------------------------
 */

static void round_weights(const struct reading *reading, float *weight) {
    size_t length = shape_elements(reading->weight) / (size_t)reading->weight.n;
    int bits = reading->site->quantizer_bits[0];
    struct quantizer_levels levels = quantizer_levels(bits, true, false);
    for (int n = 0; n < reading->weight.n; n++, weight += length) {
        float step = calibration_min_max.weight_step(weight, length, bits, 100);
        for (size_t i = 0; i < length; i++)
            weight[i] = step * quantizer_level(weight[i], step, (float)levels.lowest,
                                               (float)levels.highest);
    }
}

static double mean_square_difference(const float *a, const float *b, struct shape shape) {
    double sum = 0;
    for (size_t pixel = 0; pixel < shape_pixels(shape); pixel++)
        for (int c = 0; c < shape.c; c++) {
            size_t at = pixel * (size_t)shape.pitch + (size_t)c;
            sum += ((double)a[at] - (double)b[at]) * ((double)a[at] - (double)b[at]);
        }
    return sum / (double)shape_elements(shape);
}

/* How much of the noise in a site's output reaches the network's, where `before` is that without.
 */
static double importance_of(const struct equalization *work, const struct reading *reading,
                            const struct observation *observation, const float *before) {
    double expected = weight_error(work, reading);
    if (!(expected > 0)) return 0;
    const struct network *seen = observation->network;
    float *weight = parameter_values(work->network->parameters, reading->site->weight);
    size_t size = shape_elements(reading->weight) * sizeof(float);
    float *kept = memory_allocate(size);
    memcpy(kept, weight, size);
    round_weights(reading, weight);
    plan_forward(observation->plan, (struct plan_step){0});
    memcpy(weight, kept, size);
    memory_free(kept);
    return mean_square_difference(before, plan_value(observation->plan, seen->output),
                                  seen->graph->values[seen->output].shape) /
           expected;
}

static bool measure_importance(struct equalization *work, const struct sampler *sampler,
                               struct network_options options, struct error *error) {
    struct observation observation = {0};
    options.observe = false;
    if (options.batch > MOST) options.batch = MOST;
    bool ok = observation_create(&observation, work->network->space, work->network->parameters,
                                 &options, error);
    if (ok) {
        const struct network *seen = observation.network;
        size_t bytes = shape_floats(seen->graph->values[seen->output].shape) * sizeof(float);
        float *high = observation_high(sampler, options.batch), *before = memory_allocate(bytes);
        observation_load(&observation, sampler, high, 0);
        plan_forward(observation.plan, (struct plan_step){0});
        memcpy(before, plan_value(observation.plan, seen->output), bytes);
        for (int i = 0; i < work->reading_count; i++)
            work->readings[i].importance =
                importance_of(work, &work->readings[i], &observation, before);
        memory_free(before);
        memory_free(high);
    }
    observation_free(&observation);
    return ok;
}

/* --- Factors -------------------------------------------------------------------------------------
 */

static void list_uses(struct equalization *work) {
    int classes = channel_ties_count(work->ties), total = 0;
    work->begin = room(work, classes + 2, sizeof(int));
    for (int i = 0; i < work->reading_count; i++)
        for (int c = 0; c < work->readings[i].channels; c++)
            if (work->readings[i].classes[c] >= 0)
                work->begin[work->readings[i].classes[c] + 2]++, total++;
    for (int k = 0; k <= classes; k++)
        work->begin[k + 1] += work->begin[k];
    work->uses = room(work, total, sizeof *work->uses);
    for (int i = 0; i < work->reading_count; i++)
        for (int c = 0; c < work->readings[i].channels; c++)
            if (work->readings[i].classes[c] >= 0)
                work->uses[work->begin[work->readings[i].classes[c] + 1]++] = (struct use){i, c};
}

/* Every channel as large as the largest of its tensor, in the first of the tensors that it is in.
 */
static void fill_ranges(struct equalization *work) {
    double *ranges = room(work, work->reading_count, sizeof *ranges);
    for (int i = 0; i < work->reading_count; i++)
        for (int c = 0; c < work->readings[i].channels; c++)
            ranges[i] =
                fmax(ranges[i], fmax(work->readings[i].maximum[c], -work->readings[i].minimum[c]));
    for (int k = 0; k < channel_ties_count(work->ties); k++) {
        double share = 0;
        for (int u = work->begin[k]; u < work->begin[k + 1]; u++) {
            const struct reading *reading = &work->readings[work->uses[u].reading];
            int c = work->uses[u].channel;
            if (ranges[work->uses[u].reading] > 0)
                share = fmax(share, fmax(reading->maximum[c], -reading->minimum[c]) /
                                        ranges[work->uses[u].reading]);
        }
        work->factors[k] = share > 0 ? 1 / fmax(share, 1.0 / 64) : 1;
    }
}

/* The error of all sites that a class is read by, each once. */
static double class_error(const struct equalization *work, int class) {
    double error = 0;
    for (int u = work->begin[class]; u < work->begin[class + 1]; u++)
        if (u == work->begin[class] || work->uses[u].reading != work->uses[u - 1].reading)
            error += site_error(work, &work->readings[work->uses[u].reading]);
    return error;
}

static double total_error(const struct equalization *work) {
    double error = 0;
    for (int i = 0; i < work->reading_count; i++)
        error += site_error(work, &work->readings[i]);
    return error;
}

/* The largest magnitude of a channel with its factor. */
static double reach_of(const struct equalization *work, const struct reading *reading, int c) {
    return fmax(reading->maximum[c], -reading->minimum[c]) * factor_of(work, reading, c);
}

/* The largest channels of one tensor, all together, down to a part of their range: a step that pays
 * only when none of them is left. */
static void lower_largest(struct equalization *work, double part) {
    int classes = channel_ties_count(work->ties);
    double *kept = memory_allocate((size_t)classes * sizeof *kept);
    double error = total_error(work);
    for (int i = 0; i < work->reading_count; i++) {
        const struct reading *reading = &work->readings[i];
        double limit = 0;
        memcpy(kept, work->factors, (size_t)classes * sizeof *kept);
        for (int c = 0; c < reading->channels; c++)
            limit = fmax(limit, part * reach_of(work, reading, c));
        for (int c = 0; c < reading->channels; c++)
            if (reading->classes[c] >= 0 && reach_of(work, reading, c) > limit)
                work->factors[reading->classes[c]] *= limit / reach_of(work, reading, c);
        double after = total_error(work);
        if (after < error)
            error = after;
        else
            memcpy(work->factors, kept, (size_t)classes * sizeof *kept);
    }
    memory_free(kept);
}

/* One class after the other, in ever smaller steps. */
static void descend(struct equalization *work) {
    enum { ROUNDS = 12 };
    double ratio = 2;
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < channel_ties_count(work->ties); k++) {
            double best = class_error(work, k);
            for (int direction = 0; direction < 2; direction++) {
                double kept = work->factors[k];
                work->factors[k] = direction ? kept / ratio : kept * ratio;
                double error = class_error(work, k);
                if (error < best)
                    best = error;
                else
                    work->factors[k] = kept;
            }
        }
        for (double part = 0.5; part < 0.99; part = sqrt(part))
            lower_largest(work, part);
        if (round % 2) ratio = sqrt(ratio);
    }
}

static bool look(struct equalization *work, const struct sampler *sampler, int batches,
                 struct network_options options, struct error *error) {
    struct observation observation = {0};
    bool ok = observation_create(&observation, work->network->space, work->network->parameters,
                                 &options, error);
    float *high = observation_high(sampler, options.batch);
    for (int b = 0; ok && b < batches; b++) {
        observation_load(&observation, sampler, high, (uint64_t)b);
        plan_forward(observation.plan, (struct plan_step){0});
        for (int i = 0; ok && i < work->reading_count; i++)
            ok = look_at(&observation, &work->readings[i], batches, error);
    }
    memory_free(high);
    observation_free(&observation);
    return ok;
}

bool equalize_channels(const struct network *network, const struct sampler *sampler, int batches,
                       struct error *error) {
    struct network_options options = network->options;
    options.precision = NETWORK_FLOAT;
    options.observe = true;
    options.height = options.width = sampler->spec.patch;
    struct network *plain = network_build(network->space, network->parameters, &options, error);
    if (!plain) return false;
    struct equalization work = {.network = network, .plain = plain};
    work.ties = channel_ties_create(plain->graph, plain->output);
    int classes = channel_ties_count(work.ties);
    work.factors = room(&work, classes, sizeof *work.factors);
    for (int k = 0; k < classes; k++)
        work.factors[k] = 1;
    list_readings(&work);
    list_uses(&work);
    bool ok = look(&work, sampler, batches, options, error) &&
              measure_importance(&work, sampler, options, error);
    if (ok) {
        fill_ranges(&work);
        descend(&work);
        channel_ties_scale(work.ties, plain->graph, work.factors);
    }
    channel_ties_free(work.ties);
    network_free(plain);
    arena_free(&work.arena);
    return ok;
}
