/* Convolutions that are trained as several branches (`branches:`) and derived as one. */
#include "ops/branch_weight.h"
#include "spaces/walk.h"

int walk_branches(struct walk *walk, const struct step *step, const char *path,
                  const double *attribute, int weight) {
    struct network *network = walk->network;
    struct op_parameter wanted[BRANCH_MAX_TENSORS];
    int inputs[1 + BRANCH_MAX_TENSORS] = {weight};
    if (attribute[op_attribute_index(step->op, "groups")] != 1) {
        error_at(walk_error(walk, step), ERROR_SPEC, step->branches_position,
                 "a convolution with branches has one group");
        return walk_fail(walk, step);
    }
    if (network->options.folded) return weight;
    struct shape shape = network->graph->values[weight].shape;
    int count = branch_weight_tensors(step->branches, shape, wanted);
    for (int i = 0; i < count; i++) {
        const char *name = arena_format(&walk->arena, "%s.%s", path, wanted[i].name);
        int parameter =
            parameters_add(network->parameters, name, &wanted[i], walk_error(walk, step));
        if (parameter < 0) return walk_fail(walk, step);
        inputs[1 + i] = graph_parameter(network->graph, parameter);
    }
    double branches = step->branches;
    return walk_node(walk, step, arena_format(&walk->arena, "%s.branches", path), "branch_weight",
                     &branches, NULL, 0, inputs, 1 + count);
}
