/* The sections of the report; each adds nothing where its facts are missing. */
#ifndef TAMIS_RESULTS_REPORT_PARTS_H
#define TAMIS_RESULTS_REPORT_PARTS_H

#include "results/report.h"
#include "results/text.h"

/* The style sheet of the page, that of plots and drawings included. */
void report_style(struct text *out);
/* The few numbers that matter most: quality, cost and size of the quantized network. */
void report_headline(struct text *out, const struct report_facts *facts);
/* The final table and its notes. */
void report_results(struct text *out, const struct report_facts *facts);
/* PSNR against BitOps. */
void report_tradeoff(struct text *out, const struct report_facts *facts);
/* The curves of training. */
void report_curves(struct text *out, const struct report_facts *facts);
/* Slots, drawing and text of the architecture. */
bool report_architecture(struct text *out, const struct report_facts *facts, struct error *error);
/* Crops beside each other. */
void report_images(struct text *out, const struct report_facts *facts);
/* The scores of every image. */
void report_image_scores(struct text *out, const struct report_facts *facts);

/* The colour (of results/svg.h) that a network has in the whole page. */
int report_color(enum result_kind kind);

#endif
