/* The one-builder contract as tests hold it: what a supernet of one-hot alpha computes and costs,
 * its derived networks compute and cost. The checks fail the cmocka test that calls them. */
#ifndef TAMIS_TESTS_SUPPORT_ONE_BUILDER_H
#define TAMIS_TESTS_SUPPORT_ONE_BUILDER_H

#include "ops/plan.h"
#include "tests/support/spaces.h"

/* Allocates the parameters and gives every tensor random values, biases and statistics too. */
void one_builder_randomize(struct parameters *parameters);
/* The same image for every network of this size. */
void one_builder_fill_input(struct plan *plan, const struct network *network);
/* The output of a forward pass; free with memory_free. */
float *one_builder_run(const struct network *network, size_t *floats, bool training);
/* Logits so far apart that their softmax is one-hot in float32. */
void one_builder_set_one_hot(const struct network *network,
                             const struct architecture *architecture);
/* Largest difference, relative to the largest value. */
double one_builder_difference(const float *a, const float *b, size_t count);

/* For random architectures: the supernet's one-hot output is the derived network's with copied
 * weights (relative difference below 1e-5), every tensor is found, and nothing but what the
 * architecture chose is left in the graph. */
void one_builder_check_outputs(const struct space *space, int architectures, int height, int width);
/* The cost of a derived network's own graph, that of the model, and the expectation under one-hot
 * probabilities are the same numbers, and lie in the model's range. */
void one_builder_check_costs(const struct space *space, int architectures, int height, int width);
/* The expectation is the mean over all architectures, weighted by their probabilities, and its
 * gradient is right. Goes through every combination of entries. */
void one_builder_check_expectation(const struct space *space, int height, int width);
/* Supernets and derived networks of every precision compute finite numbers. */
void one_builder_check_precisions(const struct space *space, int height, int width);
/* The texts of random architectures read back as the same ones. `path`: of a file to use. */
void one_builder_check_texts(const struct space *space, int architectures, const char *path);

#endif
