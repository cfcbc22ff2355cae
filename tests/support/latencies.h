/* Tables of latencies for tests: another odd rate for every operation and precision of a space. */
#ifndef TAMIS_TESTS_SUPPORT_LATENCIES_H
#define TAMIS_TESTS_SUPPORT_LATENCIES_H

#include "spaces/cost.h"

/* Free with latency_table_free. */
struct latency_table latencies_make(const struct space *space);
/* Gives them to the model. */
void latencies_set(struct cost_model *model, const struct space *space);

#endif
