/* The final table of a run: one row per evaluated network. */
#ifndef TAMIS_RESULTS_RESULT_TABLE_H
#define TAMIS_RESULTS_RESULT_TABLE_H

#include "results/result.h"
#include "results/table.h"

/* Fills a zeroed table: network, bits, PSNR and SSIM on Y, PSNR on RGB, BitOps, parameters, bytes.
 * A column "data" is added when the rows are not all of one data set. */
void result_table(const struct result_list *list, struct table *table);
/* Fills a zeroed table with the scores of one network: a row per image. */
void result_image_table(const struct result *result, struct table *table);
/* The sentences below the table: data, protocol, input size and coverage of the costs, each once.
 * New string with one sentence a line, free with memory_free. */
char *result_notes(const struct result_list *list);

#endif
