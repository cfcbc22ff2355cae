#include "eval/metrics.h"

#include "core/memory.h"
#include "core/threads.h"
#include <math.h>
#include <string.h>

/* One channel of an image without its border, rows of `width` samples. */
struct plane {
    int width, height;
    double *samples;
};

enum plane_kind { PLANE_FIRST, PLANE_SECOND, PLANE_THIRD, PLANE_LUMA, PLANE_FULL_LUMA };

/* Fills `plane` from `image` without `border` pixels on each side. A gray image is every one of its
 * channels, and its full-range luma. */
static void fill_plane(struct plane *plane, const struct image *image, int border,
                       enum plane_kind kind) {
    int channels = image->channels;
#pragma omp parallel for schedule(static)
    for (int y = 0; y < plane->height; y++) {
        const unsigned char *pixel =
            image->pixels +
            ((size_t)(y + border) * (size_t)image->width + (size_t)border) * (size_t)channels;
        double *row = plane->samples + (size_t)y * (size_t)plane->width;
        for (int x = 0; x < plane->width; x++, pixel += channels) {
            double red = pixel[0];
            double green = channels == 3 ? pixel[1] : red;
            double blue = channels == 3 ? pixel[2] : red;
            switch (kind) {
            case PLANE_FIRST:
                row[x] = red;
                break;
            case PLANE_SECOND:
                row[x] = green;
                break;
            case PLANE_THIRD:
                row[x] = blue;
                break;
            case PLANE_LUMA:
                row[x] = 16.0 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255.0;
                break;
            case PLANE_FULL_LUMA: /* integers first, so that equal channels give their value exactly
                                   */
                row[x] = (299.0 * red + 587.0 * green + 114.0 * blue) / 1000.0;
                break;
            }
        }
    }
}

static double squared_error(const struct plane *a, const struct plane *b) {
    size_t count = (size_t)a->width * (size_t)a->height;
    double sums[THREADS_MAX_CHUNKS];
    int chunks = threads_chunks(count, 4096);
#pragma omp parallel for schedule(static)
    for (int chunk = 0; chunk < chunks; chunk++) {
        size_t begin, end;
        threads_chunk(count, chunks, chunk, &begin, &end);
        double sum = 0;
        for (size_t i = begin; i < end; i++) {
            double difference = a->samples[i] - b->samples[i];
            sum += difference * difference;
        }
        sums[chunk] = sum;
    }
    double total = 0;
    for (int chunk = 0; chunk < chunks; chunk++)
        total += sums[chunk];
    return total;
}

static double psnr(double error_sum, double samples) {
    return error_sum > 0 ? 10.0 * log10(255.0 * 255.0 * samples / error_sum) : INFINITY;
}

/* The window is separable: this is one side of it, summing to 1. */
static void gaussian_window(double window[METRICS_WINDOW]) {
    double sum = 0;
    for (int i = 0; i < METRICS_WINDOW; i++) {
        double offset = i - METRICS_WINDOW / 2;
        window[i] = exp(-offset * offset / (2.0 * 1.5 * 1.5));
        sum += window[i];
    }
    for (int i = 0; i < METRICS_WINDOW; i++)
        window[i] /= sum;
}

/* The weighted means that SSIM needs: of a, b, a a, b b, a b. */
enum { MOMENTS = 5 };

/* Column sums of one row of windows; `columns` holds MOMENTS rows of `width`. */
static void weigh_columns(const struct plane *a, const struct plane *b, int top,
                          const double window[METRICS_WINDOW], double *columns) {
    size_t width = (size_t)a->width;
    memset(columns, 0, MOMENTS * width * sizeof *columns);
    for (int tap = 0; tap < METRICS_WINDOW; tap++) {
        const double *row_a = a->samples + (size_t)(top + tap) * width;
        const double *row_b = b->samples + (size_t)(top + tap) * width;
        for (size_t x = 0; x < width; x++) {
            double weighted_a = window[tap] * row_a[x];
            double weighted_b = window[tap] * row_b[x];
            columns[x] += weighted_a;
            columns[width + x] += weighted_b;
            columns[2 * width + x] += weighted_a * row_a[x];
            columns[3 * width + x] += weighted_b * row_b[x];
            columns[4 * width + x] += weighted_a * row_b[x];
        }
    }
}

static double ssim_of_row(const double *columns, int width, const double window[METRICS_WINDOW]) {
    const double c1 = (0.01 * 255.0) * (0.01 * 255.0);
    const double c2 = (0.03 * 255.0) * (0.03 * 255.0);
    double sum = 0;
    for (int x = 0; x + METRICS_WINDOW <= width; x++) {
        double mean[MOMENTS] = {0};
        for (int moment = 0; moment < MOMENTS; moment++)
            for (int tap = 0; tap < METRICS_WINDOW; tap++)
                mean[moment] += window[tap] * columns[moment * width + x + tap];
        double mean_product = mean[0] * mean[1];
        double mean_squares = mean[0] * mean[0] + mean[1] * mean[1];
        double covariance = mean[4] - mean_product;
        double variances = mean[2] + mean[3] - mean_squares;
        sum += (2 * mean_product + c1) * (2 * covariance + c2) /
               ((mean_squares + c1) * (variances + c2));
    }
    return sum;
}

static double ssim(const struct plane *a, const struct plane *b) {
    int rows = a->height - METRICS_WINDOW + 1;
    int columns = a->width - METRICS_WINDOW + 1;
    if (rows < 1 || columns < 1) return NAN;
    double window[METRICS_WINDOW];
    gaussian_window(window);
    double sums[THREADS_MAX_CHUNKS];
    int chunks = threads_chunks((size_t)rows, 4);
    size_t scratch_row = MOMENTS * (size_t)a->width;
    double *scratch = memory_allocate((size_t)chunks * scratch_row * sizeof *scratch);
#pragma omp parallel for schedule(static)
    for (int chunk = 0; chunk < chunks; chunk++) {
        size_t begin, end;
        threads_chunk((size_t)rows, chunks, chunk, &begin, &end);
        double *moments = scratch + (size_t)chunk * scratch_row;
        double sum = 0;
        for (size_t row = begin; row < end; row++) {
            weigh_columns(a, b, (int)row, window, moments);
            sum += ssim_of_row(moments, a->width, window);
        }
        sums[chunk] = sum;
    }
    memory_free(scratch);
    double total = 0;
    for (int chunk = 0; chunk < chunks; chunk++)
        total += sums[chunk];
    return total / ((double)rows * (double)columns);
}

bool metrics_compare(const struct image *reference, const struct image *result, int border,
                     struct metrics *metrics, struct error *error) {
    *metrics = (struct metrics){.psnr_y = NAN, .ssim_y = NAN, .psnr_rgb = NAN, .ssim_rgb = NAN};
    if (reference->width != result->width || reference->height != result->height)
        return error_add(error, ERROR_FAILED,
                         "images of %dx%d and %dx%d pixels cannot be compared; they must have the "
                         "same size",
                         reference->width, reference->height, result->width, result->height);
    struct plane a = {.width = reference->width - 2 * border,
                      .height = reference->height - 2 * border};
    if (a.width < 1 || a.height < 1) return true;
    struct plane b = a;
    size_t count = (size_t)a.width * (size_t)a.height;
    a.samples = memory_allocate(count * sizeof *a.samples);
    b.samples = memory_allocate(count * sizeof *b.samples);

    bool gray = reference->channels == 1;
    enum plane_kind luma = gray ? PLANE_FULL_LUMA : PLANE_LUMA;
    fill_plane(&a, reference, border, luma);
    fill_plane(&b, result, border, luma);
    metrics->psnr_y = psnr(squared_error(&a, &b), (double)count);
    metrics->ssim_y = ssim(&a, &b);
    if (gray) {
        metrics->psnr_rgb = metrics->psnr_y;
        metrics->ssim_rgb = metrics->ssim_y;
    } else {
        double error_sum = 0;
        double ssim_sum = 0;
        for (enum plane_kind kind = PLANE_FIRST; kind <= PLANE_THIRD; kind++) {
            fill_plane(&a, reference, border, kind);
            fill_plane(&b, result, border, kind);
            error_sum += squared_error(&a, &b);
            ssim_sum += ssim(&a, &b);
        }
        metrics->psnr_rgb = psnr(error_sum, 3.0 * (double)count);
        metrics->ssim_rgb = ssim_sum / 3.0;
    }
    memory_free(a.samples);
    memory_free(b.samples);
    return true;
}
