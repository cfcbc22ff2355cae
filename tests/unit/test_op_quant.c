/* Quantizers and quantization noise: outputs and straight-through gradients against their formulas
 * in plain loops, gradients to probabilities against finite differences. */
#include "core/threads.h"
#include "ops/quantizer.h"
#include "tests/support/direct_op.h"
#include "tests/support/gradient_check.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct shape shapes[] = {
    {2, 5, 4, 3, 8}, {1, 1, 7, 5, 8}, {2, 3, 1, 13, 16}, {2, 40, 40, 13, 16}, {5, 3, 3, 3, 3}};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };
static const int some_bits[] = {2, 4, 8};

static bool is_near(double a, double b, double tolerance) {
    return fabs(a - b) <= tolerance * (1 + fabs(b));
}

static void scale(float *values, struct shape shape, float factor) {
    for (size_t i = 0; i < shape_floats(shape); i++)
        values[i] *= factor;
}

static void hwgq_is_its_formula(void **state) {
    (void)state;
    for (int k = 0; k < SHAPES; k++) {
        for (int bits = 1; bits <= 8; bits++) {
            struct direct_op direct;
            direct_op_init(&direct, "hwgq");
            direct_op_set(&direct, "bits", bits);
            direct.shape[0] = shapes[k];
            direct.accumulate = bits % 2;
            direct_op_begin(&direct);
            double step = quantizer_hwgq_step(bits);
            float clip = (float)(step * ((1 << bits) - 1));
            float *v = direct.input[0];
            scale(v, shapes[k], 7);
            v[0] = 0;
            v[1] = clip;
            v[2] = nextafterf(clip, INFINITY);
            direct_op_run(&direct);
            for (size_t i = 0; i < shape_floats(shapes[k]); i++) {
                double clamped = fmin(fmax(v[i], 0), clip);
                double remainder = clamped / step - floor(clamped / step) - 0.5;
                double expected = rint(clamped / step) * step;
                if (fabs(remainder) > 1e-4) assert_true(is_near(direct.output[i], expected, 1e-6));
                bool is_padding = (int)(i % (size_t)shapes[k].pitch) >= shapes[k].c;
                double start = direct.accumulate && !is_padding ? 0.5 : 0;
                double gradient = v[i] >= 0 && v[i] <= clip ? direct.grad_output[i] : 0;
                assert_true(is_near(direct.gradient[0][i], start + gradient, 1e-6));
            }
            direct_op_end(&direct);
        }
    }
}

struct lsq_case {
    struct shape shape;
    int bits;
    bool is_signed, symmetric, per_channel, accumulate;
    bool has_lowest;
    float given_lowest;
    int lowest, highest; /* expected */
};

static void begin_lsq(struct direct_op *direct, const struct lsq_case *lsq) {
    direct_op_init(direct, "lsq");
    direct_op_set(direct, "bits", lsq->bits);
    direct_op_set(direct, "signed", lsq->is_signed);
    direct_op_set(direct, "symmetric", lsq->symmetric);
    direct_op_set(direct, "per_channel", lsq->per_channel);
    direct->shape[0] = lsq->shape;
    direct->shape[1] = shape_vector(lsq->per_channel ? lsq->shape.n : 1);
    if (lsq->has_lowest) direct->shape[2] = shape_vector(1);
    direct->accumulate = lsq->accumulate;
    direct_op_begin(direct);
    for (int i = 0; i < direct->shape[1].c; i++) {
        direct->input[1][i] = (0.7f + 0.1f * (float)i) / (float)(lsq->highest - lsq->lowest);
    }
    if (lsq->has_lowest) direct->input[2][0] = lsq->given_lowest;
}

static void check_lsq(const struct lsq_case *lsq) {
    struct direct_op direct;
    begin_lsq(&direct, lsq);
    direct_op_run(&direct);
    struct shape shape = lsq->shape;
    double wanted_steps[16] = {0}, highest_for_scale = lsq->highest;
    if (lsq->has_lowest) highest_for_scale = (1 << lsq->bits) - 1;
    for (size_t i = 0; i < shape_elements(shape); i++) {
        size_t row = lsq->per_channel ? i / (shape_elements(shape) / (size_t)shape.n) : 0;
        float v = direct_op_element(direct.input[0], shape, i), step = direct.input[1][row];
        float g = direct_op_element(direct.grad_output, shape, i);
        /* In float, as a tie or a bound must fall on the same side. */
        float level = v / step;
        bool inside = level >= (float)lsq->lowest && level <= (float)lsq->highest;
        double rounded = rint(fmin(fmax(level, lsq->lowest), lsq->highest));
        assert_true(is_near(direct_op_element(direct.output, shape, i), rounded * step, 1e-6));
        assert_true(is_near(direct_op_element(direct.gradient[0], shape, i),
                            (lsq->accumulate ? 0.5 : 0) + (inside ? g : 0), 1e-6));
        wanted_steps[row] += g * (inside ? rounded - (double)v / step : rounded);
    }
    direct_op_assert_padding(direct.output, shape);
    direct_op_assert_padding(direct.gradient[0], shape);
    double gradient_scale = 1 / sqrt((double)shape_elements(shape) * highest_for_scale);
    for (int row = 0; row < direct.shape[1].c; row++) {
        double wanted = wanted_steps[row] * gradient_scale + (lsq->accumulate ? 0.5 : 0);
        assert_true(is_near(direct.gradient[1][row], wanted, 1e-5));
    }
    if (lsq->has_lowest) assert_true(isnan(direct.gradient[2][0]) || lsq->accumulate);
    direct_op_end(&direct);
}

static void lsq_is_its_formula(void **state) {
    (void)state;
    for (int k = 0; k < SHAPES; k++) {
        for (int accumulate = 0; accumulate < 2; accumulate++) {
            bool add = accumulate;
            check_lsq(&(struct lsq_case){shapes[k], 4, .is_signed = true, .accumulate = add,
                                         .lowest = -8, .highest = 7});
            check_lsq(&(struct lsq_case){shapes[k], 3, .is_signed = true, .symmetric = true,
                                         .accumulate = add, .lowest = -3, .highest = 3});
            check_lsq(
                &(struct lsq_case){shapes[k], 4, .accumulate = add, .lowest = 0, .highest = 15});
            check_lsq(
                &(struct lsq_case){shapes[k], 1, .accumulate = add, .lowest = 0, .highest = 1});
        }
    }
    check_lsq(&(struct lsq_case){shapes[4], 4, .is_signed = true, .per_channel = true, .lowest = -8,
                                 .highest = 7});
    check_lsq(&(struct lsq_case){shape_dense(13, 9, 9, 20), 8, .is_signed = true,
                                 .per_channel = true, .accumulate = true, .lowest = -128,
                                 .highest = 127});
}

static void lsq_takes_a_lowest_level(void **state) {
    (void)state;
    struct lsq_case lsq = {.shape = shapes[0], .bits = 4, .is_signed = true, .has_lowest = true};
    lsq.given_lowest = -3;
    lsq.lowest = -3;
    lsq.highest = 12;
    check_lsq(&lsq);
    /* 0 stays a level. */
    lsq.given_lowest = 4;
    lsq.lowest = 0;
    lsq.highest = 15;
    check_lsq(&lsq);
    lsq.given_lowest = -99;
    lsq.lowest = -15;
    lsq.highest = 0;
    check_lsq(&lsq);
}

static void lsq_survives_a_step_that_vanished(void **state) {
    (void)state;
    static const float steps[] = {0, -1};
    for (int k = 0; k < 2; k++) {
        struct direct_op direct;
        struct lsq_case lsq = {
            .shape = shapes[0], .bits = 4, .is_signed = true, .lowest = -8, .highest = 7};
        begin_lsq(&direct, &lsq);
        direct.input[1][0] = steps[k];
        direct_op_run(&direct);
        for (size_t i = 0; i < shape_floats(shapes[0]); i++) {
            assert_true(isfinite(direct.output[i]) && isfinite(direct.gradient[0][i]));
        }
        assert_true(isfinite(direct.gradient[1][0]));
        direct_op_end(&direct);
    }
}

static void quantizers_let_nan_through(void **state) {
    (void)state;
    struct direct_op direct;
    struct lsq_case lsq = {
        .shape = shapes[0], .bits = 4, .is_signed = true, .lowest = -8, .highest = 7};
    begin_lsq(&direct, &lsq);
    direct.input[0][1] = NAN;
    direct_op_run(&direct);
    assert_true(isnan(direct.output[1]) && !isnan(direct.output[0]));
    direct.input[0][1] = 1;
    direct.input[1][0] = NAN;
    direct_op_run(&direct);
    assert_true(isnan(direct.output[0]));
    direct_op_end(&direct);
}

static void one_bit_with_sign_is_refused(void **state) {
    (void)state;
    struct direct_op direct;
    direct_op_init(&direct, "lsq");
    direct_op_set(&direct, "bits", 1);
    struct shape inputs[2] = {shapes[0], shape_vector(1)}, output;
    struct error error = {0};
    assert_false(
        direct.op->shape(direct.attribute, inputs, 2, &output, (struct position){0}, &error));
    assert_non_null(strstr(error.text, "at least 2 bits"));
    direct_op_set(&direct, "bits", 4);
    direct_op_set(&direct, "per_channel", 1);
    error_clear(&error);
    assert_false(
        direct.op->shape(direct.attribute, inputs, 2, &output, (struct position){0}, &error));
    assert_non_null(strstr(error.text, "not a vector of 2"));
}

/* Runs the plain quantizer of the mixture's candidate `b` on the same tensors. */
static void run_single(struct direct_op *single, const struct direct_op *mix, int b, bool is_lsq) {
    direct_op_init(single, is_lsq ? "lsq" : "hwgq");
    direct_op_set(single, "bits", mix->list[b]);
    if (is_lsq && mix->shape[2].c > 1) direct_op_set(single, "per_channel", 1);
    single->shape[0] = mix->shape[0];
    if (is_lsq) single->shape[1] = mix->shape[2 + b];
    direct_op_begin(single);
    memcpy(single->input[0], mix->input[0], shape_floats(mix->shape[0]) * sizeof(float));
    memcpy(single->grad_output, mix->grad_output, shape_floats(mix->shape[0]) * sizeof(float));
    for (int i = 0; is_lsq && i < mix->shape[2 + b].c; i++) {
        single->input[1][i] = mix->input[2 + b][i];
    }
    direct_op_run(single);
}

/* Shares from entries 1, 2 and 3 of five probabilities. */
static void check_mixture(struct shape shape, bool is_lsq, bool per_channel, bool accumulate) {
    struct direct_op mix;
    direct_op_init(&mix, is_lsq ? "lsq_mix" : "hwgq_mix");
    direct_op_set(&mix, "first", 1);
    if (per_channel) direct_op_set(&mix, "per_channel", 1);
    mix.list = some_bits;
    mix.list_count = 3;
    mix.accumulate = accumulate;
    mix.shape[0] = shape;
    mix.shape[1] = shape_vector(5);
    for (int b = 0; is_lsq && b < 3; b++)
        mix.shape[2 + b] = shape_vector(per_channel ? shape.n : 1);
    direct_op_begin(&mix);
    float *p = mix.input[1];
    double total = 0, start = accumulate ? 0.5 : 0;
    for (int i = 0; i < 5; i++)
        p[i] = 0.1f + 0.05f * (float)i;
    for (int i = 1; i <= 3; i++)
        total += p[i];
    for (int b = 0; is_lsq && b < 3; b++) {
        for (int i = 0; i < mix.shape[2].c; i++) {
            mix.input[2 + b][i] = (1.5f + 0.1f * (float)i) / (float)(1 << some_bits[b]);
        }
    }
    direct_op_run(&mix);
    struct direct_op single[3];
    for (int b = 0; b < 3; b++)
        run_single(&single[b], &mix, b, is_lsq);
    double dot[3] = {0};
    for (size_t i = 0; i < shape_elements(shape); i++) {
        double out = 0, gradient = start;
        for (int b = 0; b < 3; b++) {
            double share = p[1 + b] / total, value = direct_op_element(single[b].output, shape, i);
            out += share * value;
            gradient += share * direct_op_element(single[b].gradient[0], shape, i);
            dot[b] += direct_op_element(mix.grad_output, shape, i) * value;
        }
        assert_true(is_near(direct_op_element(mix.output, shape, i), out, 1e-5));
        assert_true(is_near(direct_op_element(mix.gradient[0], shape, i), gradient, 1e-5));
    }
    direct_op_assert_padding(mix.output, shape);
    direct_op_assert_padding(mix.gradient[0], shape);
    double mean = 0;
    for (int b = 0; b < 3; b++)
        mean += p[1 + b] / total * dot[b];
    assert_true(mix.gradient[1][0] == start && mix.gradient[1][4] == start);
    for (int b = 0; b < 3; b++) {
        double share = p[1 + b] / total;
        assert_true(is_near(mix.gradient[1][1 + b], start + (dot[b] - mean) / total, 1e-4));
        for (int i = 0; is_lsq && i < mix.shape[2].c; i++) {
            double wanted = start + share * single[b].gradient[1][i];
            assert_true(is_near(mix.gradient[2 + b][i], wanted, 1e-5));
        }
        direct_op_end(&single[b]);
    }
    direct_op_end(&mix);
}

static void mixtures_weight_their_quantizers(void **state) {
    (void)state;
    for (int k = 0; k < SHAPES; k++) {
        for (int accumulate = 0; accumulate < 2; accumulate++) {
            check_mixture(shapes[k], false, false, accumulate);
            check_mixture(shapes[k], true, false, accumulate);
        }
    }
    check_mixture(shapes[4], true, true, false);
    check_mixture(shape_dense(7, 5, 5, 9), true, true, true);
}

/* The tensor is fixed: its gradient is straight-through, which differences do not see. */
/* Two candidates of the same bits, and one entry without a quantizer among them. */
static const int bits_of_a_slot[] = {4, 0, 8, 4};

static struct gradient_check to_probabilities(const char *op, struct shape shape) {
    return (struct gradient_check){
        .op = op,
        .attributes = {{"first", 1}},
        .list = some_bits,
        .list_count = 3,
        .inputs = {{.shape = shape, .low = -1, .high = 3, .fixed = true},
                   {.shape = shape_vector(6), .low = 0.1, .high = 0.4}},
    };
}

static void gradients_to_probabilities_match_finite_differences(void **state) {
    (void)state;
    for (int k = 0; k < SHAPES; k++) {
        struct gradient_check hwgq = to_probabilities("hwgq_mix", shapes[k]);
        gradient_check(&hwgq);
        struct gradient_check lsq = to_probabilities("lsq_mix", shapes[k]);
        for (int b = 0; b < 3; b++) {
            lsq.inputs[2 + b] = (struct gradient_check_input){
                .shape = shape_vector(1), .low = 0.05, .high = 0.2, .fixed = true};
        }
        gradient_check(&lsq);
        for (int variant = 0; variant < 4; variant++) {
            struct gradient_check noise = to_probabilities("quant_noise", shapes[k]);
            noise.attributes[1] = (struct golden_attribute){"distribution", variant % 2};
            noise.attributes[2] = (struct golden_attribute){"gradient", variant / 2};
            noise.tolerance = 4e-3;
            gradient_check(&noise);
            noise.evaluation = true;
            gradient_check(&noise);
            noise.evaluation = false;
            noise.attributes[3] = (struct golden_attribute){"draws", 1};
            noise.list = bits_of_a_slot;
            noise.list_count = 4;
            gradient_check(&noise);
        }
    }
}

static void begin_noise(struct direct_op *direct, struct shape shape, const int *bits, int count,
                        int distribution, int gradient) {
    direct_op_init(direct, "quant_noise");
    direct_op_set(direct, "distribution", distribution);
    direct_op_set(direct, "gradient", gradient);
    direct->list = bits;
    direct->list_count = count;
    direct->shape[0] = shape;
    direct->shape[1] = shape_vector(count);
    direct_op_begin(direct);
    for (int b = 0; b < count; b++)
        direct->input[1][b] = 0.2f + 0.1f * (float)b;
}

static void noise_passes_the_gradient_straight_or_its_detached_part(void **state) {
    (void)state;
    for (int k = 0; k < SHAPES; k++) {
        for (int variant = 0; variant < 4; variant++) {
            struct direct_op direct;
            begin_noise(&direct, shapes[k], some_bits, 3, 0, variant % 2);
            direct.accumulate = variant / 2;
            direct_op_run(&direct);
            double factor = variant % 2 ? 0.25 : 1, start = direct.accumulate ? 0.5 : 0;
            for (size_t i = 0; i < shape_elements(shapes[k]); i++) {
                double wanted =
                    start + factor * direct_op_element(direct.grad_output, shapes[k], i);
                assert_true(
                    is_near(direct_op_element(direct.gradient[0], shapes[k], i), wanted, 1e-6));
            }
            direct_op_assert_padding(direct.output, shapes[k]);
            direct_op_assert_padding(direct.gradient[0], shapes[k]);
            direct_op_end(&direct);
        }
    }
}

/* Given noise makes the output a formula. */
static void noise_that_is_given_is_used(void **state) {
    (void)state;
    static const int bits[] = {2, 8};
    for (int variant = 0; variant < 4; variant++) {
        struct shape shape = shapes[0];
        struct direct_op direct;
        direct_op_init(&direct, "quant_noise");
        direct_op_set(&direct, "distribution", variant % 2);
        direct_op_set(&direct, "gradient", variant / 2);
        direct.list = bits;
        direct.list_count = 2;
        direct.shape[0] = direct.shape[2] = direct.shape[3] = shape;
        direct.shape[1] = shape_vector(2);
        direct_op_begin(&direct);
        float *p = direct.input[1];
        p[0] = 0.1f;
        p[1] = 0.3f;
        /* All positive, so that the padding's zeros would widen the range. */
        for (size_t i = 0; i < shape_floats(shape); i++) {
            bool is_padding = (int)(i % (size_t)shape.pitch) >= shape.c;
            if (!is_padding) direct.input[0][i] += 5;
        }
        direct_op_run(&direct);
        double low = INFINITY, high = -INFINITY;
        for (size_t i = 0; i < shape_elements(shape); i++) {
            low = fmin(low, direct_op_element(direct.input[0], shape, i));
            high = fmax(high, direct_op_element(direct.input[0], shape, i));
        }
        double f = variant / 2 ? 1.0 / 3 : 0, unit = variant % 2 ? 1 : 0.5;
        for (size_t i = 0; i < shape_elements(shape); i++) {
            double v = direct_op_element(direct.input[0], shape, i);
            double wanted = variant / 2 ? f * v : v;
            for (int b = 0; b < 2; b++) {
                double n = direct_op_element(direct.input[2 + b], shape, i) * unit;
                double share = p[b] / ((double)p[0] + p[1] + f);
                wanted += share * ((variant / 2 ? v : 0) + (high - low) / (b ? 255 : 3) * n);
            }
            assert_true(is_near(direct_op_element(direct.output, shape, i), wanted, 1e-6));
        }
        assert_true(isnan(direct.gradient[2][0]) && isnan(direct.gradient[3][0]));
        direct_op_end(&direct);
    }
}

/* One draw for all entries: v + (sum over entries of p D / sum of p) n. */
static void one_draw_has_the_slots_marginal_over_bits(void **state) {
    (void)state;
    static const double levels[] = {15, 0, 255, 15};
    for (int gradient = 0; gradient < 2; gradient++) {
        struct shape shape = shapes[0];
        struct direct_op direct;
        direct_op_init(&direct, "quant_noise");
        direct_op_set(&direct, "draws", 1);
        direct_op_set(&direct, "gradient", gradient);
        direct.list = bits_of_a_slot;
        direct.list_count = 4;
        direct.shape[0] = direct.shape[2] = shape;
        direct.shape[1] = shape_vector(4);
        direct_op_begin(&direct);
        float *p = direct.input[1];
        for (int b = 0; b < 4; b++)
            p[b] = 0.1f * (float)(b + 1);
        direct_op_run(&direct);
        double low = INFINITY, high = -INFINITY, dot = 0, with_v = 0;
        for (size_t i = 0; i < shape_elements(shape); i++) {
            double v = direct_op_element(direct.input[0], shape, i);
            double slope = direct_op_element(direct.grad_output, shape, i);
            low = fmin(low, v);
            high = fmax(high, v);
            dot += slope * direct_op_element(direct.input[2], shape, i) * 0.5;
            with_v += slope * v;
        }
        /* Two bit widths, whatever the number of entries: f = 1/3. */
        double f = gradient ? 1.0 / 3 : 0, total = f, size = 0, shares = 0;
        for (int b = 0; b < 4; b++)
            total += b == 1 ? 0 : p[b];
        for (int b = 0; b < 4; b++) {
            shares += b == 1 ? 0 : p[b] / total;
            size += b == 1 ? 0 : p[b] / total * (high - low) / levels[b];
        }
        for (size_t i = 0; i < shape_elements(shape); i++) {
            double v = direct_op_element(direct.input[0], shape, i);
            double n = direct_op_element(direct.input[2], shape, i) * 0.5;
            double wanted = (gradient ? f + shares : 1) * v + size * n;
            assert_true(is_near(direct_op_element(direct.output, shape, i), wanted, 1e-6));
        }
        double mean = size * dot + (gradient ? shares * with_v : 0);
        for (int b = 0; b < 4; b++) {
            double own = b == 1 ? 0 : (high - low) / levels[b] * dot + (gradient ? with_v : 0);
            double wanted = b == 1 ? 0 : (own - mean) / total;
            assert_true(is_near(direct.gradient[1][b], wanted, 1e-5));
        }
        direct_op_end(&direct);
    }
}

static void noise_has_the_size_of_a_step(void **state) {
    (void)state;
    static const int four[] = {4};
    struct shape shape = shapes[3];
    for (int distribution = 0; distribution < 2; distribution++) {
        struct direct_op direct;
        begin_noise(&direct, shape, four, 1, distribution, 0);
        direct_op_run(&direct);
        double sum = 0, square = 0, largest = 0, low = 1, high = -1;
        size_t count = shape_elements(shape);
        for (size_t i = 0; i < count; i++) {
            double v = direct_op_element(direct.input[0], shape, i);
            double noise = direct_op_element(direct.output, shape, i) - v;
            sum += noise;
            square += noise * noise;
            largest = fmax(largest, fabs(noise));
            low = fmin(low, v);
            high = fmax(high, v);
        }
        double step = (high - low) / 15, n = (double)count;
        double deviation = step * (distribution ? sqrt(1.0 / 12) : 0.5);
        assert_true(fabs(sum / n) < 4 * deviation / sqrt(n));
        assert_true(fabs(sqrt(square / n) / deviation - 1) < 0.02);
        if (distribution) assert_true(largest <= 0.5001 * step);
        if (!distribution) assert_true(largest > 1.2 * step);
        direct_op_end(&direct);
    }
}

static void noise_depends_on_its_key_and_bits_alone(void **state) {
    (void)state;
    struct direct_op first, second;
    static const int four[] = {4}, five[] = {5};
    size_t bytes = shape_floats(shapes[3]) * sizeof(float);
    begin_noise(&first, shapes[3], four, 1, 0, 0);
    begin_noise(&second, shapes[3], four, 1, 0, 0);
    threads_set(1);
    direct_op_run(&first);
    threads_set(2);
    direct_op_run(&second);
    assert_memory_equal(first.output, second.output, bytes);
    assert_memory_equal(first.gradient[0], second.gradient[0], bytes);
    second.key++;
    direct_op_run(&second);
    assert_memory_not_equal(first.output, second.output, bytes);
    direct_op_end(&second);

    /* Other bits: other noise, not the same one in another size. */
    begin_noise(&second, shapes[3], five, 1, 0, 0);
    direct_op_run(&second);
    double product = 0, of_first = 0, of_second = 0;
    for (size_t i = 0; i < shape_floats(shapes[3]); i++) {
        double a = first.output[i] - first.input[0][i], b = second.output[i] - second.input[0][i];
        product += a * b;
        of_first += a * a;
        of_second += b * b;
    }
    assert_true(fabs(product) < 0.03 * sqrt(of_first * of_second));
    direct_op_end(&first);
    direct_op_end(&second);
}

static void noise_is_off_outside_of_training(void **state) {
    (void)state;
    struct direct_op direct;
    begin_noise(&direct, shapes[0], some_bits, 3, 0, 0);
    direct.evaluation = true;
    direct_op_run(&direct);
    assert_memory_equal(direct.output, direct.input[0], shape_floats(shapes[0]) * sizeof(float));
    for (int b = 0; b < 3; b++)
        assert_true(direct.gradient[1][b] == 0);
    direct_op_end(&direct);
}

static void vanished_probabilities_give_finite_gradients(void **state) {
    (void)state;
    static const char *const ops[] = {"hwgq_mix", "quant_noise"};
    for (int k = 0; k < 2; k++) {
        struct direct_op direct;
        direct_op_init(&direct, ops[k]);
        direct.list = some_bits;
        direct.list_count = 3;
        direct.shape[0] = shapes[0];
        direct.shape[1] = shape_vector(3);
        direct_op_begin(&direct);
        memset(direct.input[1], 0, 3 * sizeof(float));
        direct_op_run(&direct);
        for (size_t i = 0; i < shape_floats(shapes[0]); i++) {
            assert_true(isfinite(direct.output[i]) && isfinite(direct.gradient[0][i]));
        }
        for (int b = 0; b < 3; b++)
            assert_true(direct.gradient[1][b] == 0);
        direct_op_end(&direct);
    }
}

static void quantizers_give_the_same_bits_on_one_and_two_threads(void **state) {
    (void)state;
    struct direct_op runs[2];
    struct shape shape = shapes[3];
    for (int k = 0; k < 2; k++) {
        struct lsq_case lsq = {
            .shape = shape, .bits = 4, .is_signed = true, .lowest = -8, .highest = 7};
        begin_lsq(&runs[k], &lsq);
        threads_set(k + 1);
        direct_op_run(&runs[k]);
    }
    size_t bytes = shape_floats(shape) * sizeof(float);
    assert_memory_equal(runs[0].output, runs[1].output, bytes);
    assert_memory_equal(runs[0].gradient[0], runs[1].gradient[0], bytes);
    assert_memory_equal(runs[0].gradient[1], runs[1].gradient[1], sizeof(float));
    for (int k = 0; k < 2; k++)
        direct_op_end(&runs[k]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hwgq_is_its_formula),
        cmocka_unit_test(lsq_is_its_formula),
        cmocka_unit_test(lsq_takes_a_lowest_level),
        cmocka_unit_test(lsq_survives_a_step_that_vanished),
        cmocka_unit_test(quantizers_let_nan_through),
        cmocka_unit_test(one_bit_with_sign_is_refused),
        cmocka_unit_test(mixtures_weight_their_quantizers),
        cmocka_unit_test(gradients_to_probabilities_match_finite_differences),
        cmocka_unit_test(noise_passes_the_gradient_straight_or_its_detached_part),
        cmocka_unit_test(noise_that_is_given_is_used),
        cmocka_unit_test(one_draw_has_the_slots_marginal_over_bits),
        cmocka_unit_test(noise_has_the_size_of_a_step),
        cmocka_unit_test(noise_depends_on_its_key_and_bits_alone),
        cmocka_unit_test(noise_is_off_outside_of_training),
        cmocka_unit_test(vanished_probabilities_give_finite_gradients),
        cmocka_unit_test(quantizers_give_the_same_bits_on_one_and_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
