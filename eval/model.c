#include "eval/model.h"
#include "ops/graph_fuse.h"
#include "spaces/space.h"
#include <string.h>

static const char *const loss_operations[MODEL_LOSSES] = {"loss_l1", "loss_l2", "loss_charbonnier"};

bool model_create(struct model *model, const struct space *space, struct parameters *parameters,
                  const struct network_options *options, enum model_loss loss, unsigned want,
                  struct error *error) {
    memset(model, 0, sizeof *model);
    model->network = network_build(space, parameters, options, error);
    if (!model->network) return false;
    struct graph *graph = model->network->graph;
    struct shape shape = graph->values[model->network->output].shape;
    model->target = graph_input(graph, "target", shape, false);
    if (model->target < 0) return false;
    int inputs[2] = {model->network->output, model->target};
    model->loss = graph_apply(graph, loss_operations[loss], "loss", inputs, 2, error);
    if (model->loss < 0) return false;
    graph_mark_output(graph, model->loss);
    graph_fuse(graph, false);
    struct plan_options planning = {.want = want, .memory_limit = options->plan_memory};
    model->plan = plan_create(graph, planning, error);
    return model->plan != NULL;
}

void model_free(struct model *model) {
    if (model->plan) plan_free(model->plan);
    if (model->network) network_free(model->network);
    memset(model, 0, sizeof *model);
}

void model_load(struct model *model, const struct sampler *sampler, uint64_t batch_step) {
    const struct graph *graph = model->network->graph;
    int input = model->network->input;
    sampler_batch(sampler, batch_step, graph->values[input].shape.n, plan_value(model->plan, input),
                  graph->values[input].shape.pitch, plan_value(model->plan, model->target),
                  graph->values[model->target].shape.pitch);
}

double model_forward(struct model *model, struct plan_step step) {
    plan_forward(model->plan, step);
    return (double)plan_value(model->plan, model->loss)[0];
}

double model_macs(const struct model *model) {
    return network_macs(model->network);
}
