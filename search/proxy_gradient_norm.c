/*
 * Gradient norm (Abdelfattah, Mehrotra, Dudziak, Lane, "Zero-cost proxies for lightweight NAS",
 * ICLR 2021): the Euclidean norm of the loss's gradient by all weights, on one batch of training
 * patches, at the initial weights.
 */
#include "ops/optimizer.h"
#include "search/proxy.h"

static bool rate(const struct proxy_work *work, double *rating, struct error *error) {
    struct proxy_network network;
    bool ok = proxy_network_create(work, &network, error);
    if (ok) {
        model_load(&network.model, work->sampler, 0);
        proxy_network_run(&network, true);
        *rating = gradient_norm(network.parameters->gradients[PARAMETER_WEIGHT],
                                network.parameters->sizes[PARAMETER_WEIGHT]);
    }
    proxy_network_free(&network);
    return ok;
}

const struct proxy proxy_gradient_norm = {
    .name = "gradient_norm",
    .summary = "the norm of the untrained network's gradient on one batch",
    .source = "Zero-cost proxies, arXiv 2101.08134 (ICLR 2021)",
    .rate = rate,
};
