#include "eval/leaves_paint.h"

#include <math.h>

/* Bhaskara's rational approximation, within 0.2 %: enough for looks, and exact on integers. */
void paint_make_sines(struct paint_canvas *canvas) {
    const int half = PAINT_SINES / 2;
    for (int i = 0; i < half; i++) {
        int64_t product = (int64_t)i * (half - i);
        int64_t value = (16384 * 16 * product) / (5 * (int64_t)half * half - 4 * product);
        canvas->sines[i] = (int16_t)value;
        canvas->sines[i + half] = (int16_t)-value;
    }
}

int paint_sine(const struct paint_canvas *canvas, uint32_t angle) {
    return canvas->sines[(angle >> 6) & (PAINT_SINES - 1)];
}

int paint_cosine(const struct paint_canvas *canvas, uint32_t angle) {
    return paint_sine(canvas, angle + 16384);
}

/* IEEE 754 defines the square root to the last bit, so this is the same everywhere. */
int64_t paint_square_root(int64_t value) {
    int64_t root = (int64_t)sqrt((double)value);
    while (root * root > value)
        root--;
    while ((root + 1) * (root + 1) <= value)
        root++;
    return root;
}

/* The noise field at (u, v) in 1/65536 steps, bilinear, Q10. */
static int32_t noise_at(const int16_t *noise, uint32_t u, uint32_t v) {
    const uint32_t mask = PAINT_NOISE_SIDE - 1;
    uint32_t column = (u >> 16) & mask;
    uint32_t row = (v >> 16) & mask;
    uint32_t next_column = (column + 1) & mask;
    const int16_t *upper = noise + row * PAINT_NOISE_SIDE;
    const int16_t *lower = noise + ((row + 1) & mask) * PAINT_NOISE_SIDE;
    int32_t part_u = (int32_t)(u >> 8 & 255);
    int32_t part_v = (int32_t)(v >> 8 & 255);
    int32_t top = upper[column] * (256 - part_u) + upper[next_column] * part_u;
    int32_t bottom = lower[column] * (256 - part_u) + lower[next_column] * part_u;
    return (top * (256 - part_v) + bottom * part_v) >> 16;
}

int32_t paint_sharpness(uint32_t phase_step) {
    int64_t step = phase_step >> 16 > 0 ? phase_step >> 16 : 1;
    return (int32_t)((2 * PAINT_UNIT << 12) / step);
}

static int32_t clamp(int64_t value, int32_t least, int32_t most) {
    if (value < least) return least;
    if (value > most) return most;
    return (int32_t)value;
}

/* +PAINT_UNIT in the first `duty` of the period, -PAINT_UNIT in the rest, with a transition of one
 * pixel. */
static int32_t bars(uint32_t phase, uint32_t duty, int32_t sharpness) {
    /* Signed distance to the nearer edge, in 1/65536 periods. */
    int64_t into = (int64_t)(phase >> 16);
    int64_t width = (int64_t)(duty >> 16);
    int64_t distance;
    if (into < width)
        distance = into < width - into ? into : width - into;
    else
        distance = into - width < 65536 - into ? width - into : into - 65536;
    return clamp(distance * sharpness >> 12, -PAINT_UNIT, PAINT_UNIT);
}

static uint32_t frame_at(const struct paint_frame *frame, int axis, int x, int y) {
    return frame->start[axis] + (uint32_t)x * frame->along_x[axis] +
           (uint32_t)y * frame->along_y[axis];
}

static int32_t frame_noise(const struct paint_canvas *canvas, const struct paint_frame *frame,
                           int x, int y) {
    return noise_at(canvas->noise, frame_at(frame, 0, x, y), frame_at(frame, 1, x, y));
}

static int32_t texture_at(const struct paint_canvas *canvas, const struct paint_shape *shape, int x,
                          int y) {
    uint32_t p = frame_at(&shape->frame, 0, x, y);
    uint32_t q = frame_at(&shape->frame, 1, x, y);
    if (shape->warp != 0)
        p += (uint32_t)(frame_noise(canvas, &shape->noise_frame, x, y) * shape->warp) << 12;
    switch (shape->texture) {
    case PAINT_NOISE:
        return noise_at(canvas->noise, p, q);
    case PAINT_GRATING:
        return canvas->sines[p >> 22] >> 4;
    case PAINT_STRIPES:
        return bars(p, shape->duty, shape->sharpness[0]);
    case PAINT_CHECKER: {
        int32_t product =
            bars(p, 1u << 31, shape->sharpness[0]) * bars(q, 1u << 31, shape->sharpness[1]);
        return product / PAINT_UNIT;
    }
    case PAINT_BRICKS: {
        /* The row number's lowest bit is lost in the phase; rows come in pairs of half a period. */
        uint32_t row = q >> 31;
        int32_t across = bars(p + (row << 31), shape->duty, shape->sharpness[0]);
        int32_t down = bars(q << 1, shape->duty, shape->sharpness[1]);
        return across < down ? across : down;
    }
    case PAINT_FLAT:
    case PAINT_TEXTURES:
        break;
    }
    return 0;
}

enum { FAR_OUTSIDE = 1 << 24 };

/* Signed distance to the edge in Q8 pixels, negative inside; good near the edge, its sign
 * everywhere. For ellipses *level receives the place from the middle (0) to the edge (PAINT_UNIT).
 */
static int64_t distance_to_ellipse(const struct paint_shape *shape, int64_t u, int64_t v,
                                   const int64_t inverse[2], int32_t *level) {
    int64_t unit_u = u * inverse[0] >> 16; /* Q16 of half axes */
    int64_t unit_v = v * inverse[1] >> 16;
    int64_t square = unit_u * unit_u + unit_v * unit_v; /* Q32, 1 on the edge */
    const int64_t one = (int64_t)1 << 32;
    *level = clamp(square >> 22, 0, PAINT_UNIT);
    if (square > 1024 * one) return FAR_OUTSIDE; /* the next products could overflow */
    /* Half the gradient of `square`, in 1/pixels, Q24. */
    int64_t slope_u = unit_u * inverse[0] >> 16;
    int64_t slope_v = unit_v * inverse[1] >> 16;
    int64_t slope = paint_square_root(slope_u * slope_u + slope_v * slope_v);
    int32_t least = shape->axes[0] < shape->axes[1] ? shape->axes[0] : shape->axes[1];
    if (slope == 0) return -least;
    int64_t distance = (square - one) / (2 * slope);
    return distance < -least ? -least : distance;
}

static int64_t distance_to_box(const struct paint_shape *shape, int64_t u, int64_t v) {
    int64_t over_u = (u < 0 ? -u : u) - (shape->axes[0] - shape->rounding);
    int64_t over_v = (v < 0 ? -v : v) - (shape->axes[1] - shape->rounding);
    if (over_u > 0 && over_v > 0)
        return paint_square_root(over_u * over_u + over_v * over_v) - shape->rounding;
    return (over_u > over_v ? over_u : over_v) - shape->rounding;
}

static int64_t distance_to_polygon(const struct paint_shape *shape, int64_t dx, int64_t dy) {
    int64_t most = INT64_MIN;
    for (int side = 0; side < shape->sides; side++) {
        int64_t distance = ((dx * shape->normal_x[side] + dy * shape->normal_y[side]) >> 14) -
                           shape->distance[side];
        if (distance > most) most = distance;
    }
    return most;
}

static int64_t distance_to(const struct paint_shape *shape, int64_t dx, int64_t dy,
                           const int64_t inverse[2], int32_t *level) {
    if (shape->kind == PAINT_POLYGON) return distance_to_polygon(shape, dx, dy);
    int64_t u = (dx * shape->cosine + dy * shape->sine) >> 14;
    int64_t v = (dy * shape->cosine - dx * shape->sine) >> 14;
    if (shape->kind == PAINT_BOX) return distance_to_box(shape, u, v);
    return distance_to_ellipse(shape, u, v, inverse, level);
}

/* Share of the pixel that the shape covers, 0..256. */
static int32_t coverage(const struct paint_canvas *canvas, const struct paint_shape *shape, int x,
                        int y, int64_t distance) {
    if (shape->ragged != 0)
        distance += frame_noise(canvas, &shape->noise_frame, x, y) * shape->ragged / PAINT_UNIT;
    if (shape->outline > 0) distance = (distance < 0 ? -distance : distance) - shape->outline;
    return clamp(128 - distance * 256 / shape->softness, 0, 256);
}

static void paint_pixel(const struct paint_canvas *canvas, const struct paint_shape *shape, int x,
                        int y, int32_t alpha, int32_t along, int32_t level) {
    int32_t texture = 0;
    if (shape->texture != PAINT_FLAT) texture = texture_at(canvas, shape, x, y);
    int32_t *pixel = canvas->colors + 3 * ((int64_t)y * canvas->width + x);
    for (int channel = 0; channel < 3; channel++) {
        int64_t change = (int64_t)shape->gradient[channel] * along +
                         (int64_t)shape->bulge[channel] * level +
                         (int64_t)shape->contrast[channel] * texture;
        int32_t color = clamp(shape->color[channel] + change / PAINT_UNIT, 0, 255 << 8);
        pixel[channel] += (int32_t)((int64_t)(color - pixel[channel]) * alpha / 256);
    }
}

void paint_shape(const struct paint_canvas *canvas, const struct paint_shape *shape) {
    int32_t margin = shape->reach + shape->outline + 4 * shape->ragged + shape->softness;
    int left = clamp((shape->x - margin) >> 8, 0, canvas->width);
    int right = clamp(((shape->x + margin) >> 8) + 1, 0, canvas->width);
    int top = clamp((shape->y - margin) >> 8, 0, canvas->height);
    int bottom = clamp(((shape->y + margin) >> 8) + 1, 0, canvas->height);
    int64_t inverse[2] = {((int64_t)1 << 32) / shape->axes[0], ((int64_t)1 << 32) / shape->axes[1]};
    int32_t reach = shape->reach > 0 ? shape->reach : 1;
    for (int y = top; y < bottom; y++) {
        int64_t dy = 256 * y + 128 - shape->y;
        for (int x = left; x < right; x++) {
            int64_t dx = 256 * x + 128 - shape->x;
            int32_t level = 0;
            int64_t distance = distance_to(shape, dx, dy, inverse, &level);
            int32_t alpha = coverage(canvas, shape, x, y, distance);
            if (alpha == 0) continue;
            int64_t along = (dx * shape->slope_x + dy * shape->slope_y) >> 14;
            paint_pixel(canvas, shape, x, y, alpha,
                        clamp(along * PAINT_UNIT / reach, -PAINT_UNIT, PAINT_UNIT), level);
        }
    }
}
