/* Counts every allocation of the process, those of libraries too. */
#ifndef TAMIS_TESTS_SUPPORT_MALLOC_COUNT_H
#define TAMIS_TESTS_SUPPORT_MALLOC_COUNT_H

/* Calls of malloc, calloc, realloc and the aligned ones so far. Under a sanitizer, which has its
 * own malloc, only those of core/memory.h. Linking this replaces malloc by a counting one. */
unsigned long malloc_count(void);

#endif
