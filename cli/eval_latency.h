/* `tamis eval --latency`. */
#ifndef TAMIS_CLI_EVAL_LATENCY_H
#define TAMIS_CLI_EVAL_LATENCY_H

#include "cli/options.h"

/* Measures the RUN or ARCH of the command line, prints what it takes, and with --out writes the
 * table latency.yaml there. */
bool eval_latency(const struct options *options, struct error *error);

#endif
