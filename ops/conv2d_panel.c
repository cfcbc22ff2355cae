/* Instances of the micro-kernels, and which of them serves how many channels. */
#include "ops/conv2d_panel.h"

#include "ops/kernel_simd.h"

#define MICRO_LANES SIMD_LANES
#include "ops/conv2d_micro.h"
#if SIMD_LANES == 16
#define MICRO_LANES 8
#include "ops/conv2d_micro.h"
#endif

/* As many rows as leave registers for one panel row of weights and one splat value. */
#define ROWS_FOR(vectors)                                                                          \
    ((SIMD_REGISTERS - 1 - (vectors)) / (vectors) < MICRO_MAX_ROWS                                 \
         ? (SIMD_REGISTERS - 1 - (vectors)) / (vectors)                                            \
         : MICRO_MAX_ROWS)

#define ROW_CASE(function, rows, vectors)                                                          \
    case rows:                                                                                     \
        if (rows <= ROWS_FOR(vectors)) function(block, rows, vectors);                             \
        break;

#define ROW_CASES(function, vectors)                                                               \
    switch (rows) {                                                                                \
        ROW_CASE(function, 1, vectors)                                                             \
        ROW_CASE(function, 2, vectors)                                                             \
        ROW_CASE(function, 3, vectors)                                                             \
        ROW_CASE(function, 4, vectors)                                                             \
        ROW_CASE(function, 5, vectors)                                                             \
        ROW_CASE(function, 6, vectors)                                                             \
        ROW_CASE(function, 7, vectors)                                                             \
        ROW_CASE(function, 8, vectors)                                                             \
        ROW_CASE(function, 9, vectors)                                                             \
        ROW_CASE(function, 10, vectors)                                                            \
        ROW_CASE(function, 11, vectors)                                                            \
        ROW_CASE(function, 12, vectors)                                                            \
        ROW_CASE(function, 13, vectors)                                                            \
        ROW_CASE(function, 14, vectors)                                                            \
        ROW_CASE(function, 15, vectors)                                                            \
        ROW_CASE(function, 16, vectors)                                                            \
    }

/* Defines the panel of `vectors` vectors of `lanes` floats. */
#define DEFINE_PANEL(lanes, vectors)                                                               \
    static void correlate_##lanes##x##vectors(const struct correlate_block *block, int rows) {     \
        ROW_CASES(correlate_##lanes, vectors)                                                      \
    }                                                                                              \
    static void outer_##lanes##x##vectors(const struct outer_block *block, int rows) {             \
        ROW_CASES(outer_##lanes, vectors)                                                          \
    }                                                                                              \
    static const struct conv2d_panel panel_##lanes##x##vectors = {                                 \
        (lanes) * (vectors), ROWS_FOR(vectors), correlate_##lanes##x##vectors,                     \
        outer_##lanes##x##vectors};

#if SIMD_LANES == 16
DEFINE_PANEL(16, 3)
DEFINE_PANEL(16, 2)
DEFINE_PANEL(16, 1)
DEFINE_PANEL(8, 3)
DEFINE_PANEL(8, 1)

/* An odd number of eights takes 24 (or 8) channels in half-width vectors: no lane computes waste.
 */
const struct conv2d_panel *conv2d_panel_next(int channels) {
    if (channels % 16 != 0) return channels >= 24 ? &panel_8x3 : &panel_8x1;
    if (channels == 16) return &panel_16x1;
    if (channels == 32 || channels == 64) return &panel_16x2;
    return &panel_16x3;
}
#else
#if SIMD_LANES == 8
DEFINE_PANEL(8, 3)
DEFINE_PANEL(8, 2)
DEFINE_PANEL(8, 1)
#define PANEL_24 panel_8x3
#define PANEL_16 panel_8x2
#define PANEL_8 panel_8x1
#else
DEFINE_PANEL(4, 6)
DEFINE_PANEL(4, 4)
DEFINE_PANEL(4, 2)
#define PANEL_24 panel_4x6
#define PANEL_16 panel_4x4
#define PANEL_8 panel_4x2
#endif

const struct conv2d_panel *conv2d_panel_next(int channels) {
    if (channels % 16 == 0) return &PANEL_16;
    return channels >= 24 ? &PANEL_24 : &PANEL_8;
}
#endif
