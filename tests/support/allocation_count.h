/*
 * Counts every allocation of the process, also those of libraries: malloc and its relatives are
 * replaced in the test's program. Not under sanitizers, which replace them too: there the count
 * stays that of core/memory.h. Include in one file of a program.
 */
#ifndef TAMIS_TESTS_SUPPORT_ALLOCATION_COUNT_H
#define TAMIS_TESTS_SUPPORT_ALLOCATION_COUNT_H

#include "core/memory.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ALLOCATION_COUNT_ALL 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ALLOCATION_COUNT_ALL 0
#endif
#endif
#if !defined(ALLOCATION_COUNT_ALL) && defined(__GLIBC__)
#define ALLOCATION_COUNT_ALL 1
#elif !defined(ALLOCATION_COUNT_ALL)
#define ALLOCATION_COUNT_ALL 0
#endif

#if ALLOCATION_COUNT_ALL
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void *__libc_memalign(size_t alignment, size_t bytes);

static unsigned long allocations;

static void count_allocation(const void *caller) {
    Dl_info info;
    bool is_openmp = dladdr(caller, &info) && info.dli_fname &&
                     (strstr(info.dli_fname, "libgomp") || strstr(info.dli_fname, "libomp"));
    if (!is_openmp) __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
}
#define COUNT_ALLOCATION() count_allocation(__builtin_return_address(0))

void *malloc(size_t bytes) {
    COUNT_ALLOCATION();
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes) {
    COUNT_ALLOCATION();
    return __libc_calloc(count, bytes);
}

void *realloc(void *memory, size_t bytes) {
    COUNT_ALLOCATION();
    return __libc_realloc(memory, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    COUNT_ALLOCATION();
    return __libc_memalign(alignment, bytes);
}

void *memalign(size_t alignment, size_t bytes) {
    COUNT_ALLOCATION();
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **memory, size_t alignment, size_t bytes) {
    COUNT_ALLOCATION();
    *memory = __libc_memalign(alignment, bytes);
    return *memory ? 0 : ENOMEM;
}

static unsigned long allocation_count(void) {
    return __atomic_load_n(&allocations, __ATOMIC_RELAXED);
}
#else
static unsigned long allocation_count(void) {
    return memory_allocation_count();
}
#endif

#endif
