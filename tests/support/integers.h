/* A quantized network and its compiled form: for tests of the integer engine and its exports. */
#ifndef TAMIS_TESTS_SUPPORT_INTEGERS_H
#define TAMIS_TESTS_SUPPORT_INTEGERS_H

#include "eval/evaluator.h"
#include "eval/integer_network.h"
#include "tests/support/search_setup.h"

struct integers {
    struct search_setup setup;
    struct architecture *architecture;
    struct parameters *parameters;
    struct network *network;
    struct integer_network compiled;
    struct evaluator evaluator; /* the simulation in float */
};

/* A calibrated network of random weights at scale 2; choice `shift + i shift` in slot i, all of
 * `bits` bits, or with 0 those of the choice. Not to be moved once it is open. */
void integers_open(struct integers *integers, const char *space, int bits, int shift);
/* The same with number `number` of a fixed sequence of random architectures and its bits; 0: the
 * last entry in every slot, which is the widest. */
void integers_open_random(struct integers *integers, const char *space, int number);
/* The same with so many channels as the space's `width`; 0: as it says. */
void integers_open_wide(struct integers *integers, const char *space, int width, int bits,
                        int shift);
/* The same at another scale after training: `steps` in float on the pictures of a folder, then half
 * as many through the quantizers. */
struct integers_training {
    int scale, steps;
    const char *folder;
};
void integers_open_trained(struct integers *integers, const char *space, int bits, int shift,
                           const struct integers_training *training);
void integers_close(struct integers *integers);

#endif
