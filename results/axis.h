/* Axes of plots: ranges, ticks at round numbers, and their texts. */
#ifndef TAMIS_RESULTS_AXIS_H
#define TAMIS_RESULTS_AXIS_H

#include <stdbool.h>

enum { AXIS_MAX_TICKS = 24, AXIS_TEXT_BYTES = 24 };

struct axis {
    bool log;
    double low; /* the range, in data units */
    double high;
    int tick_count;
    double ticks[AXIS_MAX_TICKS];
    char texts[AXIS_MAX_TICKS][AXIS_TEXT_BYTES];
};

/* An axis over low..high with about `wanted` ticks at 1, 2, 2.5 or 5 times a power of ten (on a log
 * axis at 1, 2, 5 or the powers alone). The range is widened a little around the data; a single
 * value gets a range around it. */
struct axis axis_over(double low, double high, bool log, int wanted);
/* Where a value lies: 0 at the axis's low end, 1 at its high end. */
double axis_fraction(const struct axis *axis, double value);

#endif
