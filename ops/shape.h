/* Shapes of tensors and their layout in memory. */
#ifndef TAMIS_OPS_SHAPE_H
#define TAMIS_OPS_SHAPE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Every tensor is float32 and has four sizes: n images, h rows, w columns, c channels (NHWC,
 * channels innermost). `pitch` is the number of floats from one pixel to the next.
 *
 * Activations have pitch = c rounded up to SHAPE_CHANNEL_ALIGN; the padding channels of activations
 * and of their gradients always hold zeros: every operation may rely on it and must keep it.
 * Parameters are dense, pitch = c. A convolution weight is n = out, h = kernel rows, w = kernel
 * columns, c = in/groups; a vector of k values (bias, step sizes, alpha, probabilities) is 1x1x1xk.
 */
enum { SHAPE_CHANNEL_ALIGN = 8 };

struct shape {
    int n, h, w, c;
    int pitch;
};

struct shape shape_activation(int n, int h, int w, int c);
struct shape shape_dense(int n, int h, int w, int c);
struct shape shape_vector(int count);
/* Pixels n*h*w, and floats with padding n*h*w*pitch. */
size_t shape_pixels(struct shape shape);
size_t shape_floats(struct shape shape);
/* Values without padding, n*h*w*c. */
size_t shape_elements(struct shape shape);
bool shape_equal(struct shape a, struct shape b); /* sizes; the pitch may differ */
/* "2x48x48x64" into a buffer of at least 64 bytes; returns it. */
const char *shape_text(struct shape shape, char *buffer);
/* "64 channels of 48 x 48" likewise: for sentences about steps of a network. */
const char *shape_sentence(struct shape shape, char *buffer);

#endif
