/*
 * The dead-leaves generator: training images without any download. Shapes with power-law sizes
 * (density r^-3) occlude each other, after Lee, Mumford, Huang, "Occlusion models for natural
 * images", IJCV 2001; that such images train restoration networks nearly as well as photographs is
 * shown by Achddou, Gousseau, Ladjal, "Synthetic images as a regularity prior for image restoration
 * neural networks", SSVM 2021. All arithmetic is on integers: the same bits everywhere.
 */
#ifndef TAMIS_EVAL_LEAVES_H
#define TAMIS_EVAL_LEAVES_H

#include "eval/image.h"
#include <stdint.h>

enum { LEAVES_MIN_SIDE = 16, LEAVES_MAX_SIDE = 4096 };

/* Image number `index` of `seed`: a new RGB image of width x height pixels, each within the limits
 * above. A pure function of its arguments; runs on the calling thread. */
struct image leaves_image(uint64_t seed, uint64_t index, int width, int height);

#endif
