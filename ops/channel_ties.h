/*
 * Which channels of a graph's values can be scaled, and which of them only together. Where a
 * convolution is followed by what lets a positive factor through (a ReLU, an addition, a
 * concatenation, ...) and then by another convolution, the first one's output channel can be
 * multiplied by a number and the second one's input channel divided by it: the same function
 * (Nagel, van Baalen, Blankevoort, Welling, "Data-free quantization through weight equalization and
 * bias correction", ICCV 2019, section 4.1; Meller, Finkelstein, Almog, Grobman, "Same, same but
 * different", ICML 2019). Channels that are added or pass on to each other have one factor: they
 * are tied, and make a class.
 */
#ifndef TAMIS_OPS_CHANNEL_TIES_H
#define TAMIS_OPS_CHANNEL_TIES_H

#include "ops/graph.h"

struct channel_ties;

/* Of a graph in float that was not planned yet (planning fuses nodes). Channels that go into or
 * come out of anything but convolutions with weights of their own and operations that let factors
 * through are fixed; so are the graph's inputs, and `output`. Free with channel_ties_free. */
struct channel_ties *channel_ties_create(const struct graph *graph, int output);
void channel_ties_free(struct channel_ties *ties);

/* Classes are numbered from 0. */
int channel_ties_count(const struct channel_ties *ties);
/* The class of a channel of a value; -1: it is fixed. */
int channel_ties_class(const struct channel_ties *ties, int value, int channel);

/* Multiplies every class by its factor (above 0), in the weights and biases of the convolutions
 * that make it and those that read it. */
void channel_ties_scale(const struct channel_ties *ties, const struct graph *graph,
                        const double *factors);

#endif
