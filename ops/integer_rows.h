/* Running the steps of a quantized network in the program itself; see integer_step.h. */
#ifndef TAMIS_OPS_INTEGER_ROWS_H
#define TAMIS_OPS_INTEGER_ROWS_H

#include "ops/integer_step.h"

/* Height and width of what a step makes, from those of its inputs. */
void integer_step_size(const struct integer_step *step, const struct integer_plane *planes,
                       int *height, int *width);
/* Rows of the output that are made together with row `y`: begin .. end. */
void integer_step_band(const struct integer_step *step, const struct integer_plane *planes, int y,
                       int *begin, int *end);
/* Whether the step needs the whole image; it is then run for every row of its input instead. */
int integer_step_is_global(const struct integer_step *step);
/* Rows `first` .. `last` of input `index` that the rows of the output made with row `y` need. */
void integer_step_needs(const struct integer_step *step, const struct integer_plane *planes,
                        int index, int y, int *first, int *last);
/* Bytes of a row of a value. */
size_t integer_row_bytes(const struct integer_program *program, int value, int width);
/* Bytes of the rows that a value's plane holds, with what a global step keeps behind them. */
size_t integer_value_memory(const struct integer_program *program, const struct integer_step *step,
                            const struct integer_plane *plane);
/* Bytes of scratch that any row of the step takes. */
size_t integer_step_scratch(const struct integer_program *program, const struct integer_step *step);
/* Computes the rows of the output that begin with row `y`, by plain loops. */
void integer_run_row(const struct integer_call *call, int y);

#endif
