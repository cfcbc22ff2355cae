/* What several commands print. */
#ifndef TAMIS_CLI_OUTPUT_H
#define TAMIS_CLI_OUTPUT_H

#include "results/result.h"
#include "results/table.h"
#include <jansson.h>

/* Prints a table to standard output, as wide as the terminal, and frees it. */
void output_table(struct table *table);
/* The final table with its notes. */
void output_results(const struct result_list *results);
/* Numbers that are whole and exact become integers; inf and nan become null. */
json_t *output_number(double value);
/* A text of any bytes; what is not UTF-8 becomes a note that says so. */
json_t *output_text(const char *text);

#endif
