/* The speed that kernels are measured against: this machine's fused multiply-adds. */
#ifndef TAMIS_OPS_PEAK_H
#define TAMIS_OPS_PEAK_H

#include <stddef.h>

/* Floating-point operations a second (two for each multiply-add) of independent multiply-adds in
 * registers, on all threads, in one run of a few milliseconds. Machines are shared and change their
 * clock: measure it in turns with what it is compared with, and take medians. */
double peak_flops_once(void);

/* Bytes a second, read and written, of a copy of `count` floats on all threads. */
double peak_copy_once(float *to, const float *from, size_t count);

/* Floats in one vector of the kernels that were loaded for this processor. */
int peak_lanes(void);

#endif
