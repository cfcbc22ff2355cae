#include "results/axis.h"

#include <math.h>
#include <stdio.h>

static void axis_text(double value, double step, double largest, char text[AXIS_TEXT_BYTES]) {
    static const char *const prefixes[] = {"", " K", " M", " G", " T", " P"};
    int prefix = 0;
    double scale = 1;
    while (largest >= 1e4 && largest / scale >= 1000 && prefix < 5) {
        scale *= 1000;
        prefix++;
    }
    if (value == 0) {
        snprintf(text, AXIS_TEXT_BYTES, "0");
        return;
    }
    if (largest < 1e-3 || largest / scale >= 1e6) {
        snprintf(text, AXIS_TEXT_BYTES, "%.3g", value);
        return;
    }
    /* As many decimals as the step has. */
    int decimals = 0;
    double rest = step / scale;
    while (decimals < 8 && fabs(rest - round(rest)) > 1e-6 * rest) {
        rest *= 10;
        decimals++;
    }
    snprintf(text, AXIS_TEXT_BYTES, "%.*f%s", decimals, value / scale, prefixes[prefix]);
}

static void axis_add(struct axis *axis, double value, double step, double largest) {
    if (axis->tick_count == AXIS_MAX_TICKS) return;
    axis->ticks[axis->tick_count] = value;
    axis_text(value, step, largest, axis->texts[axis->tick_count]);
    axis->tick_count++;
}

static void axis_linear_ticks(struct axis *axis, int wanted) {
    double rough = (axis->high - axis->low) / (double)wanted;
    double power = pow(10, floor(log10(rough)));
    static const double factors[] = {1, 2, 2.5, 5, 10};
    double step = power * 10;
    /* Rather a few ticks more than wanted than a few less. */
    for (int i = 0; i < 5; i++) {
        if (power * factors[i] >= rough * 0.75) {
            step = power * factors[i];
            break;
        }
    }
    double largest = fmax(fabs(axis->low), fabs(axis->high));
    double first = ceil(axis->low / step - 1e-9);
    double last = floor(axis->high / step + 1e-9);
    for (double k = first; k <= last && axis->tick_count < AXIS_MAX_TICKS; k++)
        axis_add(axis, k * step, step, largest);
}

/* Ticks at the given multiples of powers of ten, every `stride`-th power; returns how many there
 * are. */
static int axis_log_ticks(struct axis *axis, const double *factors, int count, int stride) {
    axis->tick_count = 0;
    int first = (int)floor(log10(axis->low));
    int last = (int)ceil(log10(axis->high));
    for (int p = first; p <= last; p++) {
        if (((p % stride) + stride) % stride != 0) continue;
        for (int i = 0; i < count; i++) {
            double value = factors[i] * pow(10, p);
            if (value < axis->low * (1 - 1e-9) || value > axis->high * (1 + 1e-9)) continue;
            axis_add(axis, value, value / factors[i], value);
        }
    }
    return axis->tick_count;
}

static struct axis axis_log_over(double low, double high, int wanted) {
    struct axis axis = {.log = true};
    if (!(low > 0)) low = 1e-300;
    if (!(high >= low)) high = low;
    double pad = low == high ? 2 : pow(high / low, 0.04);
    axis.low = low / pad;
    axis.high = high * pad;
    static const double factors[] = {1, 2, 5};
    double decades = log10(axis.high / axis.low);
    int stride = (int)ceil(decades / (wanted > 0 ? wanted : 1));
    if (decades >= 3) {
        axis_log_ticks(&axis, factors, 1, stride > 0 ? stride : 1);
    } else if (axis_log_ticks(&axis, factors, 3, 1) < 3) {
        /* So narrow that the axis is nearly linear. */
        axis.tick_count = 0;
        axis_linear_ticks(&axis, wanted);
    }
    return axis;
}

struct axis axis_over(double low, double high, bool log, int wanted) {
    if (wanted < 2) wanted = 2;
    if (wanted > AXIS_MAX_TICKS / 2) wanted = AXIS_MAX_TICKS / 2;
    if (!isfinite(low) || !isfinite(high) || low > high) {
        low = log ? 1 : 0;
        high = log ? 10 : 1;
    }
    if (log) return axis_log_over(low, high, wanted);
    struct axis axis = {.log = false};
    double span = high - low;
    if (span <= fabs(high) * 1e-12) span = high == 0 ? 1 : fabs(high);
    double pad = span * (high > low ? 0.04 : 0.5);
    /* Quantities that cannot be negative do not get a negative axis. */
    axis.low = low >= 0 && low - pad < 0 ? 0 : low - pad;
    axis.high = high + pad;
    axis_linear_ticks(&axis, wanted);
    return axis;
}

double axis_fraction(const struct axis *axis, double value) {
    if (axis->log) return log(value / axis->low) / log(axis->high / axis->low);
    return (value - axis->low) / (axis->high - axis->low);
}
