/*
 * How long operations take on a machine: milliseconds a multiply-accumulate, measured by `tamis
 * eval
 * --latency` for each kind of convolution, in 32-bit floats and on integers. What has no MACs
 * counts with the convolution before it.
 */
#ifndef TAMIS_SPACES_LATENCY_TABLE_H
#define TAMIS_SPACES_LATENCY_TABLE_H

#include "spaces/network.h"

enum { LATENCY_FLOAT, LATENCY_INTEGER, LATENCY_PRECISIONS };
extern const char *const latency_precision_names[]; /* "float", "integer", then NULL */

struct latency_row {
    const char *operation; /* latency_operation */
    int precision;
    double macs, milliseconds; /* measured together */
};

/* Zero-initialize; free with latency_table_free. */
struct latency_table {
    struct latency_row *rows;
    size_t count, capacity;
    struct arena arena;
};
void latency_table_free(struct latency_table *table);

/* Adds to the row of this operation and precision. */
void latency_table_add(struct latency_table *table, const char *operation, int precision,
                       double macs, double milliseconds);
/* Adds the rows of a YAML file. */
bool latency_table_read(struct latency_table *table, const char *path, struct error *error);
/* Writes such a file; `about` are lines of YAML that say what was measured, each with its key. */
bool latency_table_write(const struct latency_table *table, const char *about, const char *path,
                         struct error *error);

/* The kind of a site's operation: "conv 3x3", "conv 3x3 grouped", "depthwise 5x5", ... */
enum { LATENCY_NAME_BYTES = 64 };
void latency_operation(const struct network *network, const struct network_site *site,
                       char name[LATENCY_NAME_BYTES]);
/* Whether bits of weights and activations are multiplied on integers. */
int latency_precision(int weight_bits, int activation_bits);

/*
 * Gives the sites their rates. These are whole multiples of 2^-40 milliseconds: sums of them times
 * MACs are exact in any order up to 8 seconds. An error names the operations that the table lacks
 * and some site needs.
 */
bool latency_table_apply(const struct latency_table *table, struct network *network,
                         struct error *error);

#endif
