#include "eval/folded.h"

struct network *folded_network(const struct architecture *architecture,
                               enum network_precision precision, const struct parameters *finished,
                               struct parameters **folded, struct error *error) {
    struct network_options options = {.batch = 1,
                                      .height = NETWORK_ANY_SIDE,
                                      .width = NETWORK_ANY_SIDE,
                                      .precision = precision,
                                      .architecture = architecture,
                                      .folded = true};
    *folded = parameters_create();
    struct network *network = network_build(architecture->space, *folded, &options, error);
    if (!network) {
        parameters_free(*folded);
        *folded = NULL;
        return NULL;
    }
    parameters_allocate(*folded);
    parameters_copy(*folded, finished);
    if (precision == NETWORK_FLOAT) {
        network_fold_branches(network, finished);
        network_fold_norms(network, finished);
    }
    return network;
}
