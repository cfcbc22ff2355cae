/* How far a network looks: what decides whether an image can be cut into tiles without a seam. */
#ifndef TAMIS_EVAL_REACH_H
#define TAMIS_EVAL_REACH_H

#include "spaces/network.h"

/*
 * The largest distance, in rows or columns of the low-resolution input, of an input pixel that an
 * output pixel depends on. INFINITY where it depends on the whole image or on where a pixel lies in
 * it: statistics over the image, attention windows, strides (their grid begins at the image's
 * corner), resizing to a size that is no whole multiple. The network must not be fused yet.
 */
double network_reach(const struct network *network);

#endif
