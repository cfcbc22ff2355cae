/* Schedules: multipliers over the course of training, by name. */
#ifndef TAMIS_OPS_SCHEDULE_H
#define TAMIS_OPS_SCHEDULE_H

#include <stdbool.h>

enum schedule_kind {
    SCHEDULE_CONSTANT,
    SCHEDULE_COSINE, /* minimum + (1 - minimum) * (1 + cos(pi t / total)) / 2 */
    SCHEDULE_STEP,   /* factor^floor(t / every) */
    SCHEDULE_LINEAR, /* from 1 to minimum */
    /* minimum + (1 - minimum) * (p^((1 + cos(pi t / total)) / 2 + 1) - p) / (p^2 - p), p = 10
     * (cosine power annealing: sharpDARTS, Hundt, Jain, Hager, 2019) */
    SCHEDULE_COSINE_POWER,
    SCHEDULE_KINDS
};
extern const char *const schedule_names[SCHEDULE_KINDS];

/* Times are in any one unit (steps or epochs). */
struct schedule {
    enum schedule_kind kind;
    double total;
    double warm_up; /* linear from 0 (excluded) to 1 over this time, then the schedule over the rest */
    double minimum; /* as a fraction of the base value */
    double every, factor; /* step */
};
double schedule_at(const struct schedule *schedule, double time);

/* The entropy coefficient's multiplier in epoch `epoch` (QuantNAS, released code): with q = (E-W)//4,
 * (e-W)/(E-1-W) * (0 if e-W < q else log(e-q-W+2)/log(E-q-W+1)); 0 for a degenerate denominator. */
double schedule_entropy(int epoch, int epochs, int warm_up);

#endif
