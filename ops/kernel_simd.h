/*
 * Vectors of floats in GCC/Clang vector extensions, and the width and number of registers that the
 * compiler targets. Everything is chosen when a kernel is compiled.
 */
#ifndef TAMIS_OPS_KERNEL_SIMD_H
#define TAMIS_OPS_KERNEL_SIMD_H

#include <string.h>

/* Lanes of the widest vector, and how many vector registers there are. */
#if defined(__AVX512F__)
#define SIMD_LANES 16
#define SIMD_REGISTERS 32
#elif defined(__AVX__)
#define SIMD_LANES 8
#define SIMD_REGISTERS 16
#elif defined(__aarch64__)
#define SIMD_LANES 4
#define SIMD_REGISTERS 32
#else
#define SIMD_LANES 4
#define SIMD_REGISTERS 16
#endif

/* Joins a name and a number, also when the number is itself a macro. */
#define SIMD_JOIN(name, number) name##number
#define SIMD_PASTE(name, number) SIMD_JOIN(name, number)

#define SIMD_INLINE static inline __attribute__((always_inline))

/* Hides from the compiler where a value came from, so that it stays in a register: GCC otherwise
 * folds one load into every multiply-add that uses it, and the load ports become the limit. */
#if defined(__AVX512F__)
#define SIMD_KEEP(value) __asm__("" : "+v"(value))
#elif defined(__SSE__)
#define SIMD_KEEP(value) __asm__("" : "+x"(value))
#elif defined(__aarch64__)
#define SIMD_KEEP(value) __asm__("" : "+w"(value))
#else
#define SIMD_KEEP(value) ((void)(value))
#endif

/* Vector types, for every width that the target has in registers, with unaligned load and store:
 * memcpy of a constant size is one instruction. */
#define SIMD_DEFINE_ACCESS(lanes)                                                                  \
    typedef float simd_float##lanes __attribute__((vector_size((lanes) * sizeof(float))));         \
    SIMD_INLINE simd_float##lanes simd_load##lanes(const float *from) {                            \
        simd_float##lanes value;                                                                   \
        memcpy(&value, from, sizeof value);                                                        \
        return value;                                                                              \
    }                                                                                              \
    SIMD_INLINE void simd_store##lanes(float *to, simd_float##lanes value) {                       \
        memcpy(to, &value, sizeof value);                                                          \
    }                                                                                              \
    /* x - 0 is x for every x, the sign of zero included, so that no subtraction is left. */       \
    SIMD_INLINE simd_float##lanes simd_splat##lanes(float value) {                                 \
        return value - (simd_float##lanes){0};                                                     \
    }
SIMD_DEFINE_ACCESS(4)
#if SIMD_LANES >= 8
SIMD_DEFINE_ACCESS(8)
#endif
#if SIMD_LANES >= 16
SIMD_DEFINE_ACCESS(16)
#endif
#undef SIMD_DEFINE_ACCESS

#endif
