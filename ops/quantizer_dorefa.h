/* What DoReFa does to a row of weights before it rounds them (ops/op_dorefa.c,
 * ops/quantizer_dorefa.c). */
#ifndef TAMIS_OPS_QUANTIZER_DOREFA_H
#define TAMIS_OPS_QUANTIZER_DOREFA_H

#include <stddef.h>

/* max|row| / max|tanh(row)|, what tanh(row) is multiplied with; 1 for a row of zeros. */
float quantizer_dorefa_stretch(const float *row, size_t count);
/* Writes stretch * tanh(row) into `out`, which may be `row`; returns max|row| / highest, the step
 * of levels -highest .. highest. */
float quantizer_dorefa_transform(const float *row, size_t count, int highest, float *out);

#endif
