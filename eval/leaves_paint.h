/* Painting for the dead-leaves generator, on integers: antialiased shapes with textures. Used by
 * leaves.c only. "Q8" means a fixed-point number with 8 fractional bits. */
#ifndef TAMIS_EVAL_LEAVES_PAINT_H
#define TAMIS_EVAL_LEAVES_PAINT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    PAINT_SINES = 1024,     /* entries of one period */
    PAINT_NOISE_SIDE = 256, /* of the periodic noise field, a power of two */
    PAINT_UNIT = 1024,      /* full swing of a texture; deviation 1 of the noise field */
    PAINT_MAX_SIDES = 8     /* of a polygon */
};

/* What all shapes of one image share. */
struct paint_canvas {
    int width, height;
    int32_t *colors;            /* height * width * 3, Q8 */
    int16_t sines[PAINT_SINES]; /* Q14 */
    int16_t *noise;             /* PAINT_NOISE_SIDE squared, Q10, mean 0 and deviation about 1 */
};

/* Fills canvas->sines. */
void paint_make_sines(struct paint_canvas *canvas);
/* Sine and cosine (Q14) of an angle in 1/65536 turns. */
int paint_sine(const struct paint_canvas *canvas, uint32_t angle);
int paint_cosine(const struct paint_canvas *canvas, uint32_t angle);
/* Largest integer whose square is at most `value`. */
int64_t paint_square_root(int64_t value);

enum paint_kind { PAINT_ELLIPSE, PAINT_BOX, PAINT_POLYGON };

enum paint_texture {
    PAINT_FLAT,
    PAINT_NOISE,   /* 1/f noise, turned and stretched */
    PAINT_GRATING, /* a sinusoid */
    PAINT_STRIPES, /* bars with hard edges */
    PAINT_CHECKER,
    PAINT_BRICKS, /* rectangles between thin lines, every other row shifted */
    PAINT_TEXTURES
};

/* Two linear functions of the pixel's place, modulo 2^32. One period of gratings and the like is
 * 2^32; one step in the noise field is 2^16. */
struct paint_frame {
    uint32_t start[2], along_x[2], along_y[2];
};

struct paint_shape {
    enum paint_kind kind;
    int32_t x, y;         /* centre, Q8 pixels */
    int32_t cosine, sine; /* Q14: direction of the first axis */
    int32_t axes[2];      /* half axes or half sides, Q8, at least 64 */
    int32_t rounding;     /* corner radius of a box, Q8, at most its smaller half side */
    int sides;            /* of a polygon: normals (Q14) and distances of its sides (Q8) */
    int32_t normal_x[PAINT_MAX_SIDES], normal_y[PAINT_MAX_SIDES], distance[PAINT_MAX_SIDES];
    int32_t reach;                  /* nothing lies further from the centre, Q8 */
    int32_t outline;                /* > 0: only a band of this half width along the edge, Q8 */
    int32_t ragged;                 /* the noise moves the edge by about so much, Q8 */
    struct paint_frame noise_frame; /* where the noise for `ragged` and `warp` is read */
    int32_t softness;               /* width of the transition at the edge, Q8, at least 256 */

    int32_t color[3];         /* Q8 */
    int32_t gradient[3];      /* change of colour from the centre to `reach` along (slope), Q8 */
    int32_t slope_x, slope_y; /* Q14 unit vector */
    int32_t bulge[3];         /* of ellipses: change from the middle to the edge, Q8 */
    enum paint_texture texture;
    struct paint_frame frame;
    uint32_t duty;        /* of stripes and bricks: share of the period, of 2^32 */
    int32_t sharpness[2]; /* set so that hard edges of a texture are one pixel wide, see .c */
    int32_t warp;         /* the noise shifts the texture by about warp / 1024 periods */
    int32_t contrast[3];  /* colour change at full swing, Q8 */
};

/* The value for `sharpness` when the phase runs through `phase_step` (of 2^32) in a pixel. */
int32_t paint_sharpness(uint32_t phase_step);

void paint_shape(const struct paint_canvas *canvas, const struct paint_shape *shape);

#endif
