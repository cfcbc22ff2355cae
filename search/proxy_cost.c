/* The size of a network as its rating: what every other rating has to beat. */
#include "search/proxy.h"

static bool rate_parameters(const struct proxy_work *work, double *rating, struct error *error) {
    (void)error;
    *rating = cost_of(work->cost, work->architecture, false).parameters;
    return true;
}

static bool rate_macs(const struct proxy_work *work, double *rating, struct error *error) {
    (void)error;
    *rating = cost_of(work->cost, work->architecture, false).macs;
    return true;
}

const struct proxy proxy_macs = {
    .name = "macs",
    .summary = "how many multiply-accumulates it takes",
    .rate = rate_macs,
};

const struct proxy proxy_parameters = {
    .name = "parameters",
    .summary = "how many parameters it has",
    .rate = rate_parameters,
};
