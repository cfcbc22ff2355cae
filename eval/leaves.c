#include "eval/leaves.h"

#include "core/memory.h"
#include "core/random.h"
#include "eval/leaves_paint.h"
#include <string.h>

/* Lengths are Q8 pixels, colours Q8 levels, angles 1/65536 turns, as in leaves_paint.h. */

enum { PALETTE = 5 };

/* What one image has in common: an image has a mood, not every image all moods. */
struct scene {
    struct random random;
    struct paint_canvas canvas;
    int32_t palette[PALETTE][3];
    int32_t smallest, largest; /* radii */
    int textured;              /* share of shapes with a texture, percent */
    int angular;               /* share of boxes and polygons, percent */
    int ragged;                /* share of shapes with a ragged edge, percent */
    int soft;                  /* share of shapes out of focus, percent */
    uint32_t main_angle;       /* boxes prefer it */
};

/* A whole number from `least` to `most`, both included. */
static int32_t between(struct scene *scene, int32_t least, int32_t most) {
    return least + (int32_t)random_below(&scene->random, (uint32_t)(most - least) + 1);
}

static bool chance(struct scene *scene, int percent) {
    return between(scene, 0, 99) < percent;
}

/* Around 0, within +-most, small values likelier. */
static int32_t spread(struct scene *scene, int32_t most) {
    return (between(scene, -most, most) + between(scene, -most, most)) / 2;
}

/* Uniform in the logarithm, roughly: first the octave, then the place in it. */
static int32_t between_octaves(struct scene *scene, int32_t least, int32_t most) {
    if (most < least) most = least;
    int octaves = 0;
    while (least << (octaves + 1) <= most)
        octaves++;
    int32_t low = least << between(scene, 0, octaves);
    int32_t high = 2 * low < most ? 2 * low : most;
    return between(scene, low, high);
}

/* The noise field: from coarse to fine, smooth and double the field, then add new noise. Equal
 * energy in every octave is the 1/f spectrum of photographs; `keep` (of 256) is how much weaker
 * each finer octave is. */
static void make_noise(struct scene *scene, int32_t keep) {
    enum { SIDE = PAINT_NOISE_SIDE, COARSEST = 4 };
    int32_t *field = memory_allocate(2 * SIDE * SIDE * sizeof *field);
    int32_t *finer = field + SIDE * SIDE;
    int32_t amplitude = 1 << 14;
    for (int side = COARSEST;; side *= 2) {
        for (int i = 0; i < side * side; i++) {
            uint32_t draw = random_next(&scene->random);
            int32_t value = (int32_t)(draw >> 16) - (int32_t)(draw & 0xffff);
            field[i] += (int32_t)((int64_t)value * amplitude >> 16);
        }
        if (side == SIDE) break;
        for (int y = 0; y < 2 * side; y++) {
            int near_row = y / 2;
            int far_row = (near_row + (y % 2 ? 1 : side - 1)) % side;
            for (int x = 0; x < 2 * side; x++) {
                int near = x / 2;
                int far = (near + (x % 2 ? 1 : side - 1)) % side;
                finer[y * 2 * side + x] =
                    (9 * field[near_row * side + near] + 3 * field[near_row * side + far] +
                     3 * field[far_row * side + near] + field[far_row * side + far]) /
                    16;
            }
        }
        memcpy(field, finer, 4 * (size_t)side * (size_t)side * sizeof *field);
        amplitude = amplitude * keep / 256;
    }
    int64_t sum = 0;
    int64_t squares = 0;
    for (int i = 0; i < SIDE * SIDE; i++)
        sum += field[i];
    int32_t mean = (int32_t)(sum / (SIDE * SIDE));
    for (int i = 0; i < SIDE * SIDE; i++)
        squares += (int64_t)(field[i] - mean) * (field[i] - mean);
    int64_t deviation = paint_square_root(squares / (SIDE * SIDE)) + 1;
    scene->canvas.noise = memory_allocate(SIDE * SIDE * sizeof *scene->canvas.noise);
    for (int i = 0; i < SIDE * SIDE; i++) {
        int64_t value = (int64_t)(field[i] - mean) * PAINT_UNIT / deviation;
        if (value > 4 * PAINT_UNIT) value = 4 * PAINT_UNIT;
        if (value < -4 * PAINT_UNIT) value = -4 * PAINT_UNIT;
        scene->canvas.noise[i] = (int16_t)value;
    }
    memory_free(field);
}

/* Colours of nature vary most in lightness, then between blue and orange, least between green and
 * magenta; here and there is a vivid one. */
static void make_palette(struct scene *scene) {
    int32_t warm = spread(scene, 30 << 8);
    int32_t darkest = between(scene, 5 << 8, 70 << 8);
    int32_t lightest = between(scene, 150 << 8, 250 << 8);
    for (int i = 0; i < PALETTE; i++) {
        int vivid = chance(scene, 12) ? 2 : 1;
        int32_t light = between(scene, darkest, lightest);
        int32_t orange = warm + vivid * spread(scene, 45 << 8);
        int32_t magenta = vivid * spread(scene, 22 << 8);
        scene->palette[i][0] = light + orange / 2 + magenta / 2;
        scene->palette[i][1] = light - magenta / 2;
        scene->palette[i][2] = light - orange + magenta / 2;
    }
}

static void pick_color(struct scene *scene, int32_t color[3]) {
    const int32_t *first = scene->palette[between(scene, 0, PALETTE - 1)];
    const int32_t *second = scene->palette[between(scene, 0, PALETTE - 1)];
    int32_t part = between(scene, 0, 256);
    int32_t lighter = spread(scene, 36 << 8);
    for (int channel = 0; channel < 3; channel++)
        color[channel] = first[channel] + (second[channel] - first[channel]) / 256 * part + lighter;
}

/* A colour difference: mostly of lightness, with a tint. */
static void pick_contrast(struct scene *scene, int32_t most, int32_t contrast[3]) {
    int32_t light = between(scene, most / 8, most);
    if (chance(scene, 50)) light = -light;
    for (int channel = 0; channel < 3; channel++)
        contrast[channel] = light + spread(scene, most / 4);
}

/* A frame turned by `angle` whose axes advance by `step` in a pixel. */
static struct paint_frame make_frame(struct scene *scene, uint32_t angle, uint32_t step_p,
                                     uint32_t step_q) {
    int64_t cosine = paint_cosine(&scene->canvas, angle);
    int64_t sine = paint_sine(&scene->canvas, angle);
    struct paint_frame frame;
    frame.start[0] = random_next(&scene->random);
    frame.start[1] = random_next(&scene->random);
    frame.along_x[0] = (uint32_t)(cosine * step_p >> 14);
    frame.along_y[0] = (uint32_t)(sine * step_p >> 14);
    frame.along_x[1] = (uint32_t)(-sine * step_q >> 14);
    frame.along_y[1] = (uint32_t)(cosine * step_q >> 14);
    return frame;
}

static uint32_t any_angle(struct scene *scene) {
    return (uint32_t)between(scene, 0, 65535);
}

/* How far a phase of one period in `length` (Q8 pixels) advances in a pixel. */
static uint32_t phase_step(int32_t length) {
    return (uint32_t)(((uint64_t)1 << 40) / (uint64_t)length);
}

static void add_texture(struct scene *scene, struct paint_shape *shape, uint32_t shape_angle) {
    shape->texture = chance(scene, 45)
                         ? PAINT_NOISE
                         : (enum paint_texture)between(scene, PAINT_GRATING, PAINT_TEXTURES - 1);
    uint32_t angle = chance(scene, 50) ? shape_angle : any_angle(scene);
    int32_t size = shape->reach > 256 * 8 ? shape->reach : 256 * 8;
    if (shape->texture == PAINT_NOISE) {
        /* Steps of a quarter to one and a half field samples in a pixel; every third one stretched,
         * as wood, hair and brushed metal are. */
        uint32_t step = (uint32_t)between_octaves(scene, 1 << 14, 3 << 15);
        uint32_t stretched = chance(scene, 35) ? step / (uint32_t)between(scene, 3, 12) : step;
        shape->frame = make_frame(scene, angle, step, stretched);
        pick_contrast(scene, 30 << 8, shape->contrast);
        return;
    }
    uint32_t step_p = phase_step(between_octaves(scene, 640, size < 256 * 24 ? size : 256 * 24));
    uint32_t step_q = phase_step(between_octaves(scene, 640, size < 256 * 24 ? size : 256 * 24));
    if (shape->texture == PAINT_BRICKS) step_q = step_p / 2 + step_p / 4;
    shape->frame = make_frame(scene, angle, step_p, step_q);
    shape->duty = (uint32_t)between(scene, 16, 48) << 26;
    if (shape->texture == PAINT_BRICKS) shape->duty = (uint32_t)between(scene, 40, 58) << 26;
    shape->sharpness[0] = paint_sharpness(step_p);
    shape->sharpness[1] = paint_sharpness(shape->texture == PAINT_BRICKS ? 2 * step_q : step_q);
    if (chance(scene, 40)) shape->warp = between(scene, 20, 400);
    pick_contrast(scene, 50 << 8, shape->contrast);
}

/* Colour, shading and texture, for a shape whose outline is known. */
static void add_looks(struct scene *scene, struct paint_shape *shape, uint32_t shape_angle) {
    pick_color(scene, shape->color);
    uint32_t slope = any_angle(scene);
    shape->slope_x = paint_cosine(&scene->canvas, slope);
    shape->slope_y = paint_sine(&scene->canvas, slope);
    if (chance(scene, 60)) pick_contrast(scene, 40 << 8, shape->gradient);
    if (shape->kind == PAINT_ELLIPSE && chance(scene, 30))
        pick_contrast(scene, 60 << 8, shape->bulge);
    shape->noise_frame = make_frame(scene, any_angle(scene), 1 << 16, 1 << 16);
    if (chance(scene, scene->textured)) add_texture(scene, shape, shape_angle);
}

static void turn(struct scene *scene, struct paint_shape *shape, uint32_t angle) {
    shape->cosine = paint_cosine(&scene->canvas, angle);
    shape->sine = paint_sine(&scene->canvas, angle);
}

/* Corners on an ellipse, so that it is convex and lies within its reach. */
static void make_polygon(struct scene *scene, struct paint_shape *shape, uint32_t angle) {
    int32_t corners[PAINT_MAX_SIDES][2];
    shape->sides = between(scene, 3, PAINT_MAX_SIDES - 1);
    for (int i = 0; i < shape->sides; i++) {
        int32_t place = 65536 / shape->sides * i + spread(scene, 20000 / shape->sides);
        int64_t u = (int64_t)paint_cosine(&scene->canvas, (uint32_t)place) * shape->axes[0] >> 14;
        int64_t v = (int64_t)paint_sine(&scene->canvas, (uint32_t)place) * shape->axes[1] >> 14;
        int64_t cosine = paint_cosine(&scene->canvas, angle);
        int64_t sine = paint_sine(&scene->canvas, angle);
        corners[i][0] = (int32_t)((u * cosine - v * sine) >> 14);
        corners[i][1] = (int32_t)((u * sine + v * cosine) >> 14);
    }
    for (int i = 0; i < shape->sides; i++) {
        const int32_t *from = corners[i];
        const int32_t *to = corners[(i + 1) % shape->sides];
        int64_t across = to[0] - from[0];
        int64_t down = to[1] - from[1];
        int64_t length = paint_square_root(across * across + down * down) + 1;
        shape->normal_x[i] = (int32_t)(down * 16384 / length);
        shape->normal_y[i] = (int32_t)(-across * 16384 / length);
        shape->distance[i] = (int32_t)(((int64_t)from[0] * shape->normal_x[i] +
                                        (int64_t)from[1] * shape->normal_y[i]) >>
                                       14);
    }
}

/* A radius r between the scene's bounds with density proportional to r^-3: the inverse of its
 * distribution function at a uniform draw. */
static int32_t pick_radius(struct scene *scene) {
    int64_t small_square = (int64_t)scene->smallest * scene->smallest;
    int64_t large_square = (int64_t)scene->largest * scene->largest;
    int64_t draw = random_next(&scene->random) >> 8; /* 24 bits */
    int64_t rest = (1 << 24) - draw * ((large_square - small_square) >> 4) / (large_square >> 4);
    return (int32_t)paint_square_root((small_square << 24) / rest);
}

static void place_anywhere(struct scene *scene, struct paint_shape *shape) {
    shape->x = between(scene, -shape->reach / 2, (scene->canvas.width << 8) + shape->reach / 2);
    shape->y = between(scene, -shape->reach / 2, (scene->canvas.height << 8) + shape->reach / 2);
}

static int32_t at_least(int32_t value, int32_t least) {
    return value > least ? value : least;
}

/* One leaf; returns roughly how many pixels it covers. */
static int64_t paint_leaf(struct scene *scene) {
    struct paint_shape shape = {.softness = 256};
    int32_t radius = pick_radius(scene);
    shape.axes[0] = at_least(radius, 256);
    shape.axes[1] =
        at_least(chance(scene, 35) ? radius : radius / 64 * between(scene, 14, 64), 256);
    uint32_t angle = any_angle(scene);
    shape.reach = shape.axes[0];
    if (!chance(scene, scene->angular)) {
        shape.kind = PAINT_ELLIPSE;
    } else if (chance(scene, 50)) {
        shape.kind = PAINT_BOX;
        if (chance(scene, 60)) angle = scene->main_angle;
        int32_t shorter = shape.axes[0] < shape.axes[1] ? shape.axes[0] : shape.axes[1];
        if (chance(scene, 30)) shape.rounding = between(scene, 0, shorter);
        shape.reach = shape.axes[0] + shape.axes[1];
    } else {
        shape.kind = PAINT_POLYGON;
        make_polygon(scene, &shape, angle);
    }
    turn(scene, &shape, angle);
    if (chance(scene, 8)) shape.outline = at_least(radius / between(scene, 6, 24), 128);
    if (chance(scene, scene->soft)) shape.softness = 256 + between(scene, 0, radius / 3);
    if (chance(scene, scene->ragged) && radius > 4 << 8)
        shape.ragged = radius / between(scene, 8, 40);
    place_anywhere(scene, &shape);
    add_looks(scene, &shape, angle);
    if (shape.ragged > 0) {
        uint32_t step = (uint32_t)(((int64_t)24 << 24) / shape.axes[0]);
        shape.noise_frame = make_frame(scene, any_angle(scene), step, step);
    }
    paint_shape(&scene->canvas, &shape);
    if (shape.outline > 0) return (int64_t)radius * shape.outline >> 14;
    return 3 * (int64_t)shape.axes[0] * shape.axes[1] >> 16;
}

/* A straight stroke with round ends. */
static void paint_stroke(struct scene *scene, struct paint_shape *shape, const int32_t from[2],
                         const int32_t to[2], int32_t half_width) {
    int64_t across = to[0] - from[0];
    int64_t down = to[1] - from[1];
    int64_t length = paint_square_root(across * across + down * down) + 1;
    shape->kind = PAINT_BOX;
    shape->x = (from[0] + to[0]) / 2;
    shape->y = (from[1] + to[1]) / 2;
    shape->cosine = (int32_t)(across * 16384 / length);
    shape->sine = (int32_t)(down * 16384 / length);
    if (length == 1) shape->cosine = 16384;
    shape->axes[0] = at_least((int32_t)length / 2 + half_width, 64);
    shape->axes[1] = at_least(half_width, 64);
    shape->rounding = half_width < shape->axes[1] ? half_width : shape->axes[1];
    shape->reach = shape->axes[0];
    paint_shape(&scene->canvas, shape);
}

/* A wire, twig or crack: a chain of strokes that bends a little. */
static void paint_wire(struct scene *scene) {
    struct paint_shape shape = {.softness = 256};
    pick_color(scene, shape.color);
    int32_t half_width = between_octaves(scene, 100, 700);
    /* One draw a statement: C does not fix the order within an initializer. */
    int32_t from[2];
    from[0] = between(scene, 0, scene->canvas.width << 8);
    from[1] = between(scene, 0, scene->canvas.height << 8);
    uint32_t angle = any_angle(scene);
    int32_t step = between_octaves(scene, 6 << 8, scene->largest);
    int32_t bend = chance(scene, 40) ? 0 : between(scene, 500, 6000);
    int pieces = between(scene, 1, 12);
    for (int i = 0; i < pieces; i++) {
        int32_t to[2] = {
            from[0] + (int32_t)((int64_t)paint_cosine(&scene->canvas, angle) * step >> 14),
            from[1] + (int32_t)((int64_t)paint_sine(&scene->canvas, angle) * step >> 14)};
        paint_stroke(scene, &shape, from, to, half_width);
        memcpy(from, to, sizeof from);
        if (bend > 0) angle += (uint32_t)spread(scene, bend);
    }
}

/* One letter-like figure of a few strokes between the points of a 3 x 4 grid, or a ring; (x, y) is
 * its middle. */
static void paint_glyph(struct scene *scene, struct paint_shape *pen, int32_t x, int32_t y,
                        uint32_t angle, int32_t height, int32_t half_width) {
    int64_t cosine = paint_cosine(&scene->canvas, angle);
    int64_t sine = paint_sine(&scene->canvas, angle);
    if (chance(scene, 25)) {
        struct paint_shape ring = *pen;
        ring.kind = PAINT_ELLIPSE;
        ring.x = x;
        ring.y = y;
        ring.axes[0] = at_least(height / 3, 256);
        ring.axes[1] = at_least(height / 2, 256);
        ring.reach = ring.axes[1];
        turn(scene, &ring, angle);
        ring.outline = half_width;
        paint_shape(&scene->canvas, &ring);
    }
    int strokes = between(scene, 1, 4);
    int32_t previous[2] = {0, 0};
    for (int i = 0; i <= strokes; i++) {
        int64_t u = (int64_t)(between(scene, 0, 2) - 1) * height / 3;
        int64_t v = (int64_t)(2 * between(scene, 0, 3) - 3) * height / 6;
        int32_t point[2] = {x + (int32_t)((u * cosine - v * sine) >> 14),
                            y + (int32_t)((u * sine + v * cosine) >> 14)};
        /* Now and then the pen is lifted. */
        if (i > 0 && !chance(scene, 20)) paint_stroke(scene, pen, previous, point, half_width);
        memcpy(previous, point, sizeof previous);
    }
}

static void paint_text(struct scene *scene) {
    struct paint_shape pen = {.softness = 256};
    pick_color(scene, pen.color);
    int32_t darker = chance(scene, 50) ? -(100 << 8) : 100 << 8;
    for (int channel = 0; channel < 3; channel++)
        pen.color[channel] += darker;
    int32_t height = between_octaves(scene, 5 << 8, 28 << 8);
    int32_t half_width = height / between(scene, 10, 22);
    uint32_t angle = chance(scene, 50) ? scene->main_angle : any_angle(scene);
    int64_t cosine = paint_cosine(&scene->canvas, angle);
    int64_t sine = paint_sine(&scene->canvas, angle);
    int32_t left = between(scene, 0, scene->canvas.width << 8);
    int32_t top = between(scene, 0, scene->canvas.height << 8);
    int lines = between(scene, 1, 4);
    int letters = between(scene, 3, 14);
    for (int line = 0; line < lines; line++)
        for (int letter = 0; letter < letters; letter++) {
            if (chance(scene, 15)) continue; /* a space between words */
            int64_t u = (int64_t)height * letter;
            int64_t v = (int64_t)height * 3 / 2 * line;
            paint_glyph(scene, &pen, left + (int32_t)((u * cosine - v * sine) >> 14),
                        top + (int32_t)((u * sine + v * cosine) >> 14), angle, height, half_width);
        }
}

static void paint_background(struct scene *scene) {
    int32_t width = scene->canvas.width << 8;
    int32_t height = scene->canvas.height << 8;
    struct paint_shape shape = {.kind = PAINT_BOX,
                                .x = width / 2,
                                .y = height / 2,
                                .cosine = 16384,
                                .axes = {width, height},
                                .reach = width > height ? width : height,
                                .softness = 256};
    add_looks(scene, &shape, scene->main_angle);
    paint_shape(&scene->canvas, &shape);
}

static void set_mood(struct scene *scene) {
    const struct paint_canvas *canvas = &scene->canvas;
    int32_t side = (canvas->width < canvas->height ? canvas->width : canvas->height) << 8;
    scene->smallest = between_octaves(scene, 512, 14 << 8);
    scene->largest = at_least(side / 64 * between(scene, 12, 32), 2 * scene->smallest);
    scene->textured = between(scene, 15, 75);
    scene->angular = between(scene, 10, 80);
    scene->ragged = chance(scene, 50) ? between(scene, 5, 60) : 0;
    scene->soft = chance(scene, 50) ? between(scene, 0, 30) : 0;
    scene->main_angle = chance(scene, 40) ? 0 : any_angle(scene);
}

/* From Q8 to 8 bits, at times with the slight blur of a lens: each direction weighs `side` of 64
 * for the neighbours and the rest for the pixel. */
static void develop(const struct paint_canvas *canvas, int32_t side, struct image *image) {
    int width = canvas->width;
    int height = canvas->height;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int channel = 0; channel < 3; channel++) {
                int64_t sum = 0;
                for (int down = -1; down <= 1; down++)
                    for (int across = -1; across <= 1; across++) {
                        int row = y + down < 0 ? 0 : y + down >= height ? height - 1 : y + down;
                        int column = x + across < 0        ? 0
                                     : x + across >= width ? width - 1
                                                           : x + across;
                        int32_t weight = (down == 0 ? 64 - 2 * side : side) *
                                         (across == 0 ? 64 - 2 * side : side);
                        if (weight == 0) continue;
                        sum += (int64_t)weight *
                               canvas->colors[3 * ((int64_t)row * width + column) + channel];
                    }
                int64_t value = (sum / 4096 + 128) / 256;
                image->pixels[3 * ((size_t)y * (size_t)width + (size_t)x) + (size_t)channel] =
                    (unsigned char)(value > 255 ? 255 : value);
            }
}

struct image leaves_image(uint64_t seed, uint64_t index, int width, int height) {
    struct scene scene = {.random = random_at(seed, RANDOM_STREAM_IMAGES, index),
                          .canvas = {.width = width, .height = height}};
    int64_t pixels = (int64_t)width * height;
    scene.canvas.colors = memory_allocate(3 * (size_t)pixels * sizeof *scene.canvas.colors);
    paint_make_sines(&scene.canvas);
    make_noise(&scene, between(&scene, 190, 280));
    make_palette(&scene);
    set_mood(&scene);

    paint_background(&scene);
    /* Enough layers that most places show one leaf on another. Extras come in between, so that
     * later leaves hide parts of them. */
    int64_t wanted = pixels * between(&scene, 12, 28) / 8;
    int64_t covered = 0;
    int wires = between(&scene, 0, 80);
    int texts = chance(&scene, 50) ? between(&scene, 10, 60) : 0;
    int64_t next_extra = wanted / 10;
    while (covered < wanted) {
        covered += paint_leaf(&scene) + 1;
        if (covered < next_extra) continue;
        next_extra += wanted / 10;
        if (chance(&scene, wires)) paint_wire(&scene);
        if (chance(&scene, texts)) paint_text(&scene);
    }

    struct image image = image_create(width, height, 3);
    develop(&scene.canvas, chance(&scene, 40) ? between(&scene, 2, 12) : 0, &image);
    memory_free(scene.canvas.colors);
    memory_free(scene.canvas.noise);
    return image;
}
