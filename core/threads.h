/*
 * How many threads work, and how work is divided so that sums do not depend on that number.
 *
 * Every program that contains this file computes without denormal numbers (they count as zero), in
 * all of its threads: a mixture weight that falls towards zero in a search, or the moments of a
 * weight that gets no gradient any more, would otherwise make a step several times slower.
 */
#ifndef TAMIS_CORE_THREADS_H
#define TAMIS_CORE_THREADS_H

#include <stddef.h>
#include <stdint.h>

/* Threads that parallel regions use: `count` >= 1, or 0 for the number of processors that this
 * process may run on. */
void threads_set(int count);
int threads_get(void);
/* The same for work that has buffers for `most` threads. */
int threads_at_most(int most);

/* The OpenMP library reads how long a waiting thread spins before main begins, and by default that
 * is milliseconds: on a busy machine it takes the processor from the thread that is waited for.
 * Where the user set none of its variables, this sets a short time and starts the program again,
 * once; it returns where there is nothing to do or it cannot. To be called first of all in main. */
void threads_bound_spinning(char **arguments);

/* Every reduction is cut into chunks whose number depends on the work alone; each chunk is summed
 * in order by one thread, and the chunk results are added in order. `grain` is the least work that
 * is worth a chunk. At most THREADS_MAX_CHUNKS chunks. */
enum { THREADS_MAX_CHUNKS = 64 };
int threads_chunks(size_t items, size_t grain);
/* Bounds of chunk `index` of `count` over `items` items. */
void threads_chunk(size_t items, int count, int index, size_t *begin, size_t *end);

/* Work of equal parts is started with `#pragma omp parallel for schedule(static)` over chunks or
 * rows in the file that has the loop: every thread has the same part of a tensor in every
 * operation, and finds it in its own caches. Work that is long enough for another program to come
 * between is dealt in shares: each thread takes the items of its own share, the same part again,
 * from the first on, and who is done takes the last ones of the others. */
enum { THREADS_MAX_SHARES = 16 };
struct threads_shares {
    int count;
    /* What is left of each: the first item in the upper half, the end in the lower one. */
    struct {
        _Alignas(64) _Atomic(uint64_t) range;
    } share[THREADS_MAX_SHARES];
};
/* Before the region: `items` for `threads` threads. */
void threads_deal(struct threads_shares *shares, int items, int threads);
/* In it: an item for thread number `thread` (of any number of threads), or -1 when none is left. */
int threads_take(struct threads_shares *shares, int thread);
/* The whole of it, where a region does nothing else: calls `run` once for each of `items` items, on
 * at most `most` threads; `thread` is below `most`, and no two calls have it at a time. */
void threads_run(int items, int most, void (*run)(const void *context, int item, int thread),
                 const void *context);

#endif
