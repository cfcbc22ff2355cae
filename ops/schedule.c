#include "ops/schedule.h"
#include <math.h>

const char *const schedule_names[SCHEDULE_KINDS] = {"constant", "cosine", "step", "linear",
                                                    "cosine_power"};

/* The exponent base of cosine power annealing; the paper's. */
static const double POWER = 10;

double schedule_at(const struct schedule *schedule, double time) {
    /* The first step counts as time 0 and must not have rate 0: the ramp reaches 1 at warm_up - 1.
     */
    if (schedule->warm_up > 0 && time < schedule->warm_up) {
        double risen = (time + 1) / schedule->warm_up;
        return risen < 1 ? risen : 1;
    }
    double total = schedule->total - schedule->warm_up, t = time - schedule->warm_up;
    double share = total > 0 ? fmin(t / total, 1) : 1;
    switch (schedule->kind) {
    case SCHEDULE_COSINE:
        return schedule->minimum + (1 - schedule->minimum) * (1 + cos(M_PI * share)) / 2;
    case SCHEDULE_STEP:
        return schedule->every > 0 ? pow(schedule->factor, floor(t / schedule->every)) : 1;
    case SCHEDULE_LINEAR:
        return 1 + (schedule->minimum - 1) * share;
    case SCHEDULE_COSINE_POWER: {
        double risen = pow(POWER, (1 + cos(M_PI * share)) / 2 + 1);
        return schedule->minimum +
               (1 - schedule->minimum) * (risen - POWER) / (POWER * POWER - POWER);
    }
    case SCHEDULE_CONSTANT:
    case SCHEDULE_KINDS:
        break;
    }
    return 1;
}

double schedule_entropy(int epoch, int epochs, int warm_up) {
    int length = epochs - warm_up;
    /* Rounded down also below 0, as Python's // does. */
    int quarter = (length - (length % 4 + 4) % 4) / 4;
    int since = epoch - warm_up;
    if (length == 1 || since < quarter) return 0;
    double ramp = (double)since / (length - 1);
    double now = since - quarter + 2, all = length - quarter + 1;
    if (now <= 0 || all <= 0 || log(all) == 0) return 0;
    return ramp * log(now) / log(all);
}
