#include "core/threads.h"
#include <omp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* Runs before main: threads take the mode over from the one that starts them. */
__attribute__((constructor)) static void flush_denormals(void) {
#if defined(__x86_64__)
    enum { FLUSH_RESULTS = 1 << 15, TREAT_OPERANDS_AS_ZERO = 1 << 6 };
    _mm_setcsr(_mm_getcsr() | FLUSH_RESULTS | TREAT_OPERANDS_AS_ZERO);
#elif defined(__aarch64__)
    unsigned long mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    __asm__ volatile("msr fpcr, %0" : : "r"(mode | 1ul << 24));
#endif
}

void threads_set(int count) {
    if (count < 1) count = omp_get_num_procs();
    omp_set_num_threads(count);
}

int threads_get(void) {
    return omp_get_max_threads();
}

int threads_at_most(int most) {
    int threads = threads_get();
    return threads < most ? threads : most;
}

void threads_bound_spinning(char **arguments) {
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    char program[4096];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length < 1) return;
    program[length] = '\0';
    /* Set already when the program starts again, which therefore happens once. */
    if (setenv("GOMP_SPINCOUNT", "1000", 1) == 0) execv(program, arguments);
}

int threads_chunks(size_t items, size_t grain) {
    size_t chunks = items / (grain ? grain : 1);
    if (chunks < 1) return 1;
    return chunks < THREADS_MAX_CHUNKS ? (int)chunks : THREADS_MAX_CHUNKS;
}

void threads_chunk(size_t items, int count, int index, size_t *begin, size_t *end) {
    size_t whole = items / (size_t)count;
    size_t longer = items % (size_t)count; /* the first so many chunks have one item more */
    size_t i = (size_t)index;
    *begin = whole * i + (i < longer ? i : longer);
    *end = *begin + whole + (i < longer);
}

void threads_deal(struct threads_shares *shares, int items, int threads) {
    shares->count = threads < THREADS_MAX_SHARES ? threads : THREADS_MAX_SHARES;
    for (int i = 0; i < shares->count; i++) {
        size_t begin, end;
        threads_chunk((size_t)items, shares->count, i, &begin, &end);
        atomic_init(&shares->share[i].range, (uint64_t)begin << 32 | end);
    }
}

/* The first or last item of what is left of a range, or -1. Only the range itself is shared: what
 * items read was there before the region, and what they write is read after it. */
static int take(_Atomic(uint64_t) *range, bool first) {
    uint64_t old = atomic_load_explicit(range, memory_order_relaxed), left;
    uint32_t begin, end;
    do {
        begin = (uint32_t)(old >> 32);
        end = (uint32_t)old;
        if (begin >= end) return -1;
        left = first ? old + ((uint64_t)1 << 32) : old - 1;
    } while (!atomic_compare_exchange_weak_explicit(range, &old, left, memory_order_relaxed,
                                                    memory_order_relaxed));
    return (int)(first ? begin : end - 1);
}

int threads_take(struct threads_shares *shares, int thread) {
    int own = thread % shares->count;
    int item = take(&shares->share[own].range, true);
    for (int i = 1; item < 0 && i < shares->count; i++)
        item = take(&shares->share[(own + i) % shares->count].range, false);
    return item;
}

void threads_run(int items, int most, void (*run)(const void *context, int item, int thread),
                 const void *context) {
    int threads = threads_at_most(most);
    struct threads_shares shares;
    threads_deal(&shares, items, threads);
#pragma omp parallel num_threads(threads)
    {
        int thread = omp_get_thread_num();
        for (int item; (item = threads_take(&shares, thread)) >= 0;)
            run(context, item, thread);
    }
}
