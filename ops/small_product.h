/*
 * Products of matrices of some tens to hundreds of rows, for use inside parallel regions: a call
 * runs on its thread alone, allocates nothing and gives the same bits whatever else runs.
 * (OpenBLAS's serial build may not be called by several threads at once.)
 */
#ifndef TAMIS_OPS_SMALL_PRODUCT_H
#define TAMIS_OPS_SMALL_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>

/* Element (row, column) is values[row * row_step + column * column_step]; a transposed matrix has
 * its steps exchanged. */
struct small_matrix {
    const float *values;
    size_t row_step, column_step;
};

/* The right factor, [inner][columns], is packed first; floats that this takes. */
size_t small_pack_floats(size_t inner, size_t columns);
void small_pack(struct small_matrix right, size_t inner, size_t columns, float *packed);

/* result[rows][columns] = scale * left * right, or += when `add`; `step` floats from one row of the
 * result to the next. */
void small_product(struct small_matrix left, const float *packed, size_t rows, size_t inner,
                   size_t columns, float scale, bool add, float *result, size_t step);

/* The same in plain loops with sums in double; `right` is not packed. */
void small_product_reference(struct small_matrix left, struct small_matrix right, size_t rows,
                             size_t inner, size_t columns, float scale, bool add, float *result,
                             size_t step);

#endif
