#include "search/relaxation.h"
#include "core/random.h"
#include "search/dirichlet.h"
#include <math.h>

/* Slots of one pass draw from rows of their own. The high bit keeps them apart from what else a
 * strategy draws. */
static struct random random_of(const struct relaxation_draw *draw) {
    uint64_t row = (uint64_t)1 << 63 | draw->pass << 16 | (uint64_t)draw->slot;
    return random_at(draw->seed, RANDOM_STREAM_STRATEGY, row);
}

/* In the open interval: both logarithms are finite. */
static double uniform_inside(struct random *random) {
    return (random_next(random) + 0.5) * 0x1p-32;
}

static double gumbel(struct random *random) {
    return -log(-log(uniform_inside(random)));
}

/* A draw is made again in every pass over it, so that no call needs memory. */
struct gumbel_softmax {
    double largest, sum, temperature;
    int argmax;
};

static struct gumbel_softmax gumbel_prepare(const struct relaxation_draw *draw, const float *alpha,
                                            int count) {
    struct gumbel_softmax soft = {-INFINITY, 0, draw->temperature, 0};
    struct random random = random_of(draw);
    for (int i = 0; i < count; i++) {
        double value = (double)alpha[i] + gumbel(&random);
        if (!(value > soft.largest)) continue;
        soft.largest = value;
        soft.argmax = i;
    }
    random = random_of(draw);
    for (int i = 0; i < count; i++)
        soft.sum += exp(((double)alpha[i] + gumbel(&random) - soft.largest) / soft.temperature);
    return soft;
}

static double gumbel_entry(const struct gumbel_softmax *soft, float alpha, struct random *random) {
    return exp(((double)alpha + gumbel(random) - soft->largest) / soft->temperature) / soft->sum;
}

static void gumbel_sample(const struct relaxation_draw *draw, const float *alpha, int count,
                          float *p) {
    struct gumbel_softmax soft = gumbel_prepare(draw, alpha, count);
    struct random random = random_of(draw);
    for (int i = 0; i < count; i++)
        p[i] = (float)gumbel_entry(&soft, alpha[i], &random);
}

/* dL/dalpha_j = p_j (dL/dp_j - sum_i p_i dL/dp_i) / temperature; where it is hard, the
 * gradients of entries that are not chosen count as 0. */
static void gumbel_pull_some(const struct relaxation_draw *draw, const float *alpha, int count,
                             const float *p_gradient, bool is_hard, float *gradient) {
    struct gumbel_softmax soft = gumbel_prepare(draw, alpha, count);
    struct random random = random_of(draw);
    double mean = 0;
    for (int i = 0; i < count; i++) {
        double p = gumbel_entry(&soft, alpha[i], &random);
        if (!is_hard || i == soft.argmax) mean += p * (double)p_gradient[i];
    }
    random = random_of(draw);
    for (int i = 0; i < count; i++) {
        double p = gumbel_entry(&soft, alpha[i], &random);
        double own = !is_hard || i == soft.argmax ? (double)p_gradient[i] : 0;
        gradient[i] += (float)(p * (own - mean) / soft.temperature);
    }
}

static void gumbel_pull(const struct relaxation_draw *draw, const float *alpha, int count,
                        const float *p_gradient, float *gradient) {
    gumbel_pull_some(draw, alpha, count, p_gradient, false, gradient);
}

static void hard_sample(const struct relaxation_draw *draw, const float *alpha, int count,
                        float *p) {
    struct gumbel_softmax soft = gumbel_prepare(draw, alpha, count);
    for (int i = 0; i < count; i++)
        p[i] = i == soft.argmax;
}

static void hard_pull(const struct relaxation_draw *draw, const float *alpha, int count,
                      const float *p_gradient, float *gradient) {
    gumbel_pull_some(draw, alpha, count, p_gradient, true, gradient);
}

const struct relaxation relaxation_gumbel = {
    .first_temperature = 1,
    .last_temperature = 0.1,
    .sample = gumbel_sample,
    .pull = gumbel_pull,
};
const struct relaxation relaxation_hard_gumbel = {
    .is_hard = true,
    .needs_chosen_alone = true,
    .first_temperature = 10,
    .last_temperature = 0.1,
    .sample = hard_sample,
    .pull = hard_pull,
};
const struct relaxation relaxation_straight_through = {
    .is_hard = true,
    .first_temperature = 10,
    .last_temperature = 0.1,
    .sample = hard_sample,
    .pull = gumbel_pull,
};

/* --- Uniform -------------------------------------------------------------------------------------
 */

static void uniform_sample(const struct relaxation_draw *draw, const float *alpha, int count,
                           float *p) {
    struct random random = random_of(draw);
    int chosen = (int)random_below(&random, (uint32_t)count);
    (void)alpha;
    for (int i = 0; i < count; i++)
        p[i] = i == chosen;
}

const struct relaxation relaxation_uniform = {.is_hard = true, .sample = uniform_sample};

/* --- Dirichlet: p_i = z_i / sum z, z_i from Gamma(exp(alpha_i)) ----------------------------------
 */

/* The largest log z and the sum of z relative to it. */
struct dirichlet {
    double largest, sum;
};

static double log_z(float alpha, struct random *random) {
    return dirichlet_log_gamma(exp((double)alpha), uniform_inside(random));
}

static struct dirichlet dirichlet_prepare(const struct relaxation_draw *draw, const float *alpha,
                                          int count) {
    struct dirichlet dirichlet = {-INFINITY, 0};
    struct random random = random_of(draw);
    for (int i = 0; i < count; i++)
        dirichlet.largest = fmax(dirichlet.largest, log_z(alpha[i], &random));
    random = random_of(draw);
    for (int i = 0; i < count; i++)
        dirichlet.sum += exp(log_z(alpha[i], &random) - dirichlet.largest);
    return dirichlet;
}

static void dirichlet_sample(const struct relaxation_draw *draw, const float *alpha, int count,
                             float *p) {
    struct dirichlet dirichlet = dirichlet_prepare(draw, alpha, count);
    struct random random = random_of(draw);
    for (int i = 0; i < count; i++)
        p[i] = (float)(exp(log_z(alpha[i], &random) - dirichlet.largest) / dirichlet.sum);
}

/* p is the softmax of log z: dL/dlog z_j = p_j (dL/dp_j - sum_i p_i dL/dp_i). */
static void dirichlet_pull(const struct relaxation_draw *draw, const float *alpha, int count,
                           const float *p_gradient, float *gradient) {
    struct dirichlet dirichlet = dirichlet_prepare(draw, alpha, count);
    struct random random = random_of(draw);
    double mean = 0;
    for (int i = 0; i < count; i++)
        mean += exp(log_z(alpha[i], &random) - dirichlet.largest) / dirichlet.sum *
                (double)p_gradient[i];
    random = random_of(draw);
    for (int i = 0; i < count; i++) {
        double concentration = exp((double)alpha[i]), z = log_z(alpha[i], &random);
        double p = exp(z - dirichlet.largest) / dirichlet.sum;
        double slope = concentration * dirichlet_log_gamma_slope(concentration, z);
        gradient[i] += (float)(p * ((double)p_gradient[i] - mean) * slope);
    }
}

const struct relaxation relaxation_dirichlet = {
    .first_temperature = 1,
    .last_temperature = 1,
    .sample = dirichlet_sample,
    .pull = dirichlet_pull,
};

/* --- Max-W ---------------------------------------------------------------------------------------
 */

/* A slot's softmax, and its candidate of the largest probability. */
struct max_weight {
    const struct relaxation_draw *draw;
    const float *alpha;
    double largest, sum; /* of the logits; of their exponentials relative to it */
    int candidates, most;
    double most_probability;
};

static double softmax_entry(const struct max_weight *slot, int entry) {
    return exp((double)slot->alpha[entry] - slot->largest) / slot->sum;
}

static int first_entry(const struct max_weight *slot, int candidate) {
    return slot->draw->choices ? slot->draw->choices->candidates[candidate].first : candidate;
}

static int entries_of(const struct max_weight *slot, int candidate) {
    return slot->draw->choices ? slot->draw->choices->candidates[candidate].bits_count : 1;
}

static double candidate_probability(const struct max_weight *slot, int candidate) {
    double probability = 0;
    for (int b = 0; b < entries_of(slot, candidate); b++)
        probability += softmax_entry(slot, first_entry(slot, candidate) + b);
    return probability;
}

static struct max_weight max_weight_prepare(const struct relaxation_draw *draw, const float *alpha,
                                            int count) {
    struct max_weight slot = {.draw = draw, .alpha = alpha, .largest = -INFINITY};
    slot.candidates = draw->choices ? draw->choices->candidate_count : count;
    for (int i = 0; i < count; i++)
        slot.largest = fmax(slot.largest, (double)alpha[i]);
    for (int i = 0; i < count; i++)
        slot.sum += exp((double)alpha[i] - slot.largest);
    for (int o = 0; o < slot.candidates; o++) {
        double probability = candidate_probability(&slot, o);
        if (probability <= slot.most_probability) continue;
        slot.most_probability = probability;
        slot.most = o;
    }
    return slot;
}

static void max_weight_sample(const struct relaxation_draw *draw, const float *alpha, int count,
                              float *p) {
    struct max_weight slot = max_weight_prepare(draw, alpha, count);
    for (int o = 0; o < slot.candidates; o++) {
        double probability = candidate_probability(&slot, o);
        double weight = 1 - slot.most_probability + probability;
        for (int b = 0, i = first_entry(&slot, o); b < entries_of(&slot, o); b++, i++) {
            /* Where the candidate's probability has vanished, as shares.h has it. */
            double share = probability > 0 ? softmax_entry(&slot, i) / probability
                                           : 1.0 / entries_of(&slot, o);
            p[i] = (float)(weight * share);
        }
    }
}

/* dL/dW of a candidate: its weight is split among its entries by their shares. */
static double weight_gradient(const struct max_weight *slot, int candidate,
                              const float *p_gradient) {
    double probability = candidate_probability(slot, candidate), sum = 0;
    if (!(probability > 0)) return 0;
    for (int b = 0, i = first_entry(slot, candidate); b < entries_of(slot, candidate); b++, i++)
        sum += softmax_entry(slot, i) / probability * (double)p_gradient[i];
    return sum;
}

/* dL/d of the softmax's probability of entry `i` of a candidate whose dL/dW is `own`, with `all`
 * the sum of these: the largest probability is taken from every weight. */
static double probability_gradient(const struct max_weight *slot, int candidate, double own,
                                   double all, double p_gradient) {
    double probability = candidate_probability(slot, candidate);
    double weight = 1 - slot->most_probability + probability;
    double shares = probability > 0 ? weight / probability * (p_gradient - own) : 0;
    return shares + own - (candidate == slot->most ? all : 0);
}

static void max_weight_pull(const struct relaxation_draw *draw, const float *alpha, int count,
                            const float *p_gradient, float *gradient) {
    struct max_weight slot = max_weight_prepare(draw, alpha, count);
    double all = 0, mean = 0;
    for (int o = 0; o < slot.candidates; o++)
        all += weight_gradient(&slot, o, p_gradient);
    for (int pass = 0; pass < 2; pass++)
        for (int o = 0; o < slot.candidates; o++) {
            double own = weight_gradient(&slot, o, p_gradient);
            for (int b = 0, i = first_entry(&slot, o); b < entries_of(&slot, o); b++, i++) {
                double p = softmax_entry(&slot, i);
                double d = probability_gradient(&slot, o, own, all, (double)p_gradient[i]);
                if (pass == 0)
                    mean += p * d;
                else
                    gradient[i] += (float)(p * (d - mean));
            }
        }
}

const struct relaxation relaxation_max_weight = {
    .first_temperature = 1,
    .last_temperature = 1,
    .sample = max_weight_sample,
    .pull = max_weight_pull,
};
