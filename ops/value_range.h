/* The range of a tensor's values, for quantizers that are sized by it. */
#ifndef TAMIS_OPS_VALUE_RANGE_H
#define TAMIS_OPS_VALUE_RANGE_H

#include "ops/shape.h"

/* max v - min v over the real elements; NaNs are left out. 0 where there is nothing between. */
float value_range(const float *v, struct shape shape);

#endif
