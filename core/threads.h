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

/* Threads that parallel regions use: `count` >= 1, or 0 for the number of processors that this
 * process may run on. */
void threads_set(int count);
int threads_get(void);

/* The OpenMP library reads how long a waiting thread spins before main begins, and by default that is
 * milliseconds: on a busy machine it takes the processor from the thread that is waited for. Where
 * the user set none of its variables, this sets a short time and starts the program again, once; it
 * returns where there is nothing to do or it cannot. To be called first of all in main. */
void threads_bound_spinning(char **arguments);

/* Every reduction is cut into chunks whose number depends on the work alone; each chunk is summed
 * in order by one thread, and the chunk results are added in order. `grain` is the least work that
 * is worth a chunk. At most THREADS_MAX_CHUNKS chunks. */
enum { THREADS_MAX_CHUNKS = 64 };
int threads_chunks(size_t items, size_t grain);
/* Bounds of chunk `index` of `count` over `items` items. */
void threads_chunk(size_t items, int count, int index, size_t *begin, size_t *end);

/* Work is started with `#pragma omp parallel for schedule(static)` over chunks or rows in the file
 * that has the loop. */

#endif
