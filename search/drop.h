/* What is lost when the mixture that a search trained becomes one choice in each slot. */
#ifndef TAMIS_SEARCH_DROP_H
#define TAMIS_SEARCH_DROP_H

#include "search/strategy.h"

/* Side of the validation crops that it is measured on: that of the training patches, and at least
 * this, in low-resolution pixels; less where the images are smaller. */
enum { DROP_LEAST_SIDE = 32 };
int drop_side(const struct spec *spec);

/* Mean PSNR on Y, dB, in 32 bits, with the same weights and with batch-norm statistics recomputed
 * for each of both. */
struct drop {
    double
        supernet;   /* every slot mixed as the strategy mixes it (drawn: by the softmax of alpha) */
    double derived; /* the architecture alone */
};

/* On the middle of each validation image. `supernet` has weights and logits; nothing is changed. */
bool drop_measure(const struct search *search, const struct architecture *architecture,
                  const struct parameters *supernet, struct drop *drop, struct error *error);

#endif
