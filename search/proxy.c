#include "search/proxy.h"
#include "eval/quantize.h"
#include <string.h>

const struct proxy *const proxy_table[] = {
    &proxy_gradient_norm,
    &proxy_macs,
    &proxy_parameters,
    &proxy_synflow,
};
const int proxy_count = (int)(sizeof proxy_table / sizeof proxy_table[0]);

const struct proxy *proxy_find(const char *name) {
    for (int i = 0; i < proxy_count; i++)
        if (strcmp(proxy_table[i]->name, name) == 0) return proxy_table[i];
    return NULL;
}

bool proxy_network_create(const struct proxy_work *work, struct proxy_network *network,
                          struct error *error) {
    int side = work->sampler->spec.patch;
    const struct network_options options = {.batch = work->batch,
                                            .height = side,
                                            .width = side,
                                            .precision = NETWORK_FLOAT,
                                            .architecture = work->architecture};
    *network = (struct proxy_network){0};
    network->parameters =
        derived_parameters(work->space, work->architecture, NETWORK_FLOAT, work->seed, error);
    return network->parameters && model_create(&network->model, work->space, network->parameters,
                                               &options, MODEL_LOSS_L1, WANT_WEIGHTS, error);
}

void proxy_network_free(struct proxy_network *network) {
    model_free(&network->model);
    if (network->parameters) parameters_free(network->parameters);
}

void proxy_network_run(struct proxy_network *network, bool training) {
    model_forward(&network->model, (struct plan_step){.training = training});
    parameters_zero_gradients(network->parameters);
    plan_backward(network->model.plan, network->model.loss, WANT_WEIGHTS);
}
