#include "ops/shape.h"
#include <stdio.h>

struct shape shape_activation(int n, int h, int w, int c) {
    int pitch = (c + SHAPE_CHANNEL_ALIGN - 1) / SHAPE_CHANNEL_ALIGN * SHAPE_CHANNEL_ALIGN;
    return (struct shape){n, h, w, c, pitch};
}

struct shape shape_dense(int n, int h, int w, int c) {
    return (struct shape){n, h, w, c, c};
}

struct shape shape_vector(int count) {
    return shape_dense(1, 1, 1, count);
}

size_t shape_pixels(struct shape shape) {
    return (size_t)shape.n * (size_t)shape.h * (size_t)shape.w;
}

size_t shape_floats(struct shape shape) {
    return shape_pixels(shape) * (size_t)shape.pitch;
}

size_t shape_elements(struct shape shape) {
    return shape_pixels(shape) * (size_t)shape.c;
}

bool shape_equal(struct shape a, struct shape b) {
    return a.n == b.n && a.h == b.h && a.w == b.w && a.c == b.c;
}

const char *shape_text(struct shape shape, char *buffer) {
    snprintf(buffer, 64, "%dx%dx%dx%d", shape.n, shape.h, shape.w, shape.c);
    return buffer;
}

const char *shape_sentence(struct shape shape, char *buffer) {
    snprintf(buffer, 64, "%d channel%s of %d x %d", shape.c, shape.c == 1 ? "" : "s", shape.h,
             shape.w);
    return buffer;
}
