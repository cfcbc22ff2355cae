#include "ops/small_product.h"
#include "ops/kernel_simd.h"

/* A tile of the result is kept in registers: TILE_ROWS x 2 vectors. */
enum { TILE_ROWS = 6, TILE_COLUMNS = 2 * SIMD_LANES };
typedef SIMD_PASTE(simd_float, SIMD_LANES) vector;
#define LOAD SIMD_PASTE(simd_load, SIMD_LANES)
#define STORE SIMD_PASTE(simd_store, SIMD_LANES)
#define SPLAT SIMD_PASTE(simd_splat, SIMD_LANES)

static size_t tiles(size_t columns) {
    return (columns + TILE_COLUMNS - 1) / TILE_COLUMNS;
}

size_t small_pack_floats(size_t inner, size_t columns) {
    return inner * tiles(columns) * TILE_COLUMNS;
}

/* Packed: tile after tile, each [inner][TILE_COLUMNS], filled up with zeros. */
void small_pack(struct small_matrix right, size_t inner, size_t columns, float *packed) {
    for (size_t first = 0; first < columns; first += TILE_COLUMNS) {
        size_t left = columns - first, width = left < TILE_COLUMNS ? left : TILE_COLUMNS;
        for (size_t k = 0; k < inner; k++, packed += TILE_COLUMNS) {
            const float *from = right.values + k * right.row_step + first * right.column_step;
            for (size_t j = 0; j < width; j++)
                packed[j] = from[j * right.column_step];
            for (size_t j = width; j < TILE_COLUMNS; j++)
                packed[j] = 0.0f;
        }
    }
}

/* One tile of left * right; `rows` is a literal wherever this is called. */
SIMD_INLINE void tile_of_rows(struct small_matrix left, const float *packed, size_t inner,
                              const int rows, float *restrict tile) {
    vector sums[TILE_ROWS][2] = {{{0}}};
    for (size_t k = 0; k < inner; k++, packed += TILE_COLUMNS) {
        vector first = LOAD(packed), second = LOAD(packed + SIMD_LANES);
        const float *from = left.values + k * left.column_step;
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            vector value = SPLAT(from[(size_t)r * left.row_step]);
            sums[r][0] += value * first;
            sums[r][1] += value * second;
        }
    }
#pragma GCC unroll 6
    for (int r = 0; r < rows; r++) {
        STORE(tile + r * TILE_COLUMNS, sums[r][0]);
        STORE(tile + r * TILE_COLUMNS + SIMD_LANES, sums[r][1]);
    }
}

static void tile_of(struct small_matrix left, const float *packed, size_t inner, size_t rows,
                    float *tile) {
    switch (rows) {
    case 1:
        tile_of_rows(left, packed, inner, 1, tile);
        break;
    case 2:
        tile_of_rows(left, packed, inner, 2, tile);
        break;
    case 3:
        tile_of_rows(left, packed, inner, 3, tile);
        break;
    case 4:
        tile_of_rows(left, packed, inner, 4, tile);
        break;
    case 5:
        tile_of_rows(left, packed, inner, 5, tile);
        break;
    default:
        tile_of_rows(left, packed, inner, TILE_ROWS, tile);
    }
}

void small_product(struct small_matrix left, const float *packed, size_t rows, size_t inner,
                   size_t columns, float scale, bool add, float *result, size_t step) {
    for (size_t first = 0; first < columns; first += TILE_COLUMNS) {
        size_t width = columns - first < TILE_COLUMNS ? columns - first : TILE_COLUMNS;
        for (size_t row = 0; row < rows; row += TILE_ROWS) {
            size_t height = rows - row < TILE_ROWS ? rows - row : TILE_ROWS;
            struct small_matrix part = left;
            float tile[TILE_ROWS * TILE_COLUMNS];
            part.values += row * left.row_step;
            tile_of(part, packed, inner, height, tile);
            for (size_t r = 0; r < height; r++) {
                float *restrict to = result + (row + r) * step + first;
                const float *restrict from = tile + r * TILE_COLUMNS;
                if (add) {
                    for (size_t j = 0; j < width; j++)
                        to[j] += scale * from[j];
                } else {
                    for (size_t j = 0; j < width; j++)
                        to[j] = scale * from[j];
                }
            }
        }
        packed += inner * TILE_COLUMNS;
    }
}

void small_product_reference(struct small_matrix left, struct small_matrix right, size_t rows,
                             size_t inner, size_t columns, float scale, bool add, float *result,
                             size_t step) {
    for (size_t r = 0; r < rows; r++) {
        for (size_t j = 0; j < columns; j++) {
            double sum = 0.0;
            for (size_t k = 0; k < inner; k++) {
                sum += (double)left.values[r * left.row_step + k * left.column_step] *
                       (double)right.values[k * right.row_step + j * right.column_step];
            }
            float *to = result + r * step + j;
            *to = (float)((double)scale * sum) + (add ? *to : 0.0f);
        }
    }
}
