/*
 * Dense convolutions with a few output channels, inside: their channels alone would leave most
 * lanes of a vector idle. So the lanes are pairs of a kernel column and an output channel.
 *
 * With P[y][x][kx, o] = sum over ky and in of weight[o][ky][kx][in] * input[y + ky][x][in], which
 * the register-blocked kernels of conv2d_panel.h give as a kernel of one column, the output is
 * output[y][x][o] = sum over kx of P[y][x + kx][kx, o]: a few adds. P is kept for one row of a
 * tile.
 */
#ifndef TAMIS_OPS_CONV2D_NARROW_H
#define TAMIS_OPS_CONV2D_NARROW_H

#include "ops/conv2d_dense.h"

/* One group of at most 4 output channels, more than one kernel column, step and spread 1. */
bool conv2d_narrow_fits(const struct conv2d_dense *dense);

size_t conv2d_narrow_correlate_scratch(const struct conv2d_dense *dense);
/* Forward and backward-data. */
void conv2d_narrow_correlate(const struct conv2d_dense *dense,
                             const struct conv2d_correlate_arrays *arrays);

#endif
