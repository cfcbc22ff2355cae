#include "eval/observation.h"
#include "core/memory.h"

bool observation_create(struct observation *observation, const struct space *space,
                        struct parameters *parameters, const struct network_options *options,
                        struct error *error) {
    observation->network = network_build(space, parameters, options, error);
    if (!observation->network) return false;
    graph_mark_output(observation->network->graph, observation->network->output);
    observation->plan =
        plan_create(observation->network->graph, (struct plan_options){.want = 0}, error);
    return observation->plan != NULL;
}

void observation_free(struct observation *observation) {
    if (observation->plan) plan_free(observation->plan);
    if (observation->network) network_free(observation->network);
}

float *observation_high(const struct sampler *sampler, int batch) {
    size_t side = (size_t)(sampler->spec.patch * sampler->dataset->scale);
    return memory_allocate((size_t)batch * side * side * 3 * sizeof(float));
}

void observation_load(const struct observation *observation, const struct sampler *sampler,
                      float *high, uint64_t step) {
    const struct graph_value *input =
        &observation->network->graph->values[observation->network->input];
    sampler_batch(sampler, step, input->shape.n,
                  plan_value(observation->plan, observation->network->input), input->shape.pitch,
                  high, 3);
}
