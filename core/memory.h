/* Memory: allocation that cannot fail silently, aligned blocks, and arenas freed in one call. */
#ifndef TAMIS_CORE_MEMORY_H
#define TAMIS_CORE_MEMORY_H

#include <stddef.h>

/* Zeroed memory; prints a sentence and ends the program (exit 1) when there is none left.
 * Free with memory_free. `memory_allocate(0)` gives a valid pointer. */
void *memory_allocate(size_t bytes);
void *memory_resize(void *memory, size_t old_bytes, size_t new_bytes); /* new part zeroed */
/* Zeroed, 64-byte aligned; from 4 MiB on in pages of 2 MiB where the system gives them. Free with
 * memory_free. */
void *memory_allocate_aligned(size_t bytes);
void memory_free(void *memory);

/* How many allocations memory_* made so far in this process (a test holds that training makes
 * none). */
unsigned long memory_allocation_count(void);
/* Largest resident set of this process so far, in bytes. */
size_t memory_peak_resident_bytes(void);

/* Grows `*array` (elements of `size` bytes) so that it holds at least `count + 1`; for appending.
 */
#define memory_grow(array, count, capacity)                                                        \
    ((array) = memory_grow_array((array), sizeof *(array), (count), &(capacity)))
void *memory_grow_array(void *array, size_t size, size_t count, size_t *capacity);

/* A bump allocator: everything in it is freed together. Zero-initialize. */
struct arena_block;
struct arena {
    struct arena_block *blocks;
    size_t used; /* bytes handed out so far */
};
void *arena_allocate(struct arena *arena, size_t bytes); /* zeroed, 16-byte aligned */
char *arena_copy(struct arena *arena, const char *text);
char *arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *arena);

#endif
