#include "ops/peak.h"

#include <omp.h>
#include <string.h>

#include "core/threads.h"
#include "ops/kernel_simd.h"

/* Without a use of the sums the compiler would drop the loop that makes them. */
static volatile float peak_total;

int peak_lanes(void) {
    return SIMD_LANES;
}

double peak_flops_once(void) {
    typedef SIMD_PASTE(simd_float, SIMD_LANES) vector;
    enum { CHAINS = 12, ROUNDS = 400000 };
    double begin = omp_get_wtime();
    float total = 0;
    int threads = 0; /* that ran: the OpenMP library may give fewer than asked for */
#pragma omp parallel num_threads(threads_get()) reduction(+ : total, threads)
    {
        threads = 1;
        vector sums[CHAINS];
        vector scale = (vector){0} + 0.999F, shift = (vector){0} + 1e-3F;
        SIMD_KEEP(scale);
        SIMD_KEEP(shift);
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sums[i] = (vector){0} + (float)i;
        for (int round = 0; round < ROUNDS; round++)
#pragma GCC unroll 12
            for (int i = 0; i < CHAINS; i++) {
                sums[i] = sums[i] * scale + shift;
                SIMD_KEEP(sums[i]);
            }
        vector sum = (vector){0};
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++)
            sum += sums[i];
        for (int lane = 0; lane < SIMD_LANES; lane++)
            total += sum[lane];
    }
    peak_total = total;
    return 2.0 * CHAINS * ROUNDS * SIMD_LANES * threads / (omp_get_wtime() - begin);
}

double peak_copy_once(float *to, const float *from, size_t count) {
    int threads = threads_get();
    double begin = omp_get_wtime();
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int i = 0; i < threads; i++) {
        size_t first, end;
        threads_chunk(count, threads, i, &first, &end);
        memcpy(to + first, from + first, (end - first) * sizeof *to);
    }
    return 2.0 * (double)(count * sizeof *to) / (omp_get_wtime() - begin);
}
