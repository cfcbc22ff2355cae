#include "ops/quantizer.h"
#include "core/memory.h"

struct quantizer_levels quantizer_levels(int bits, bool is_signed, bool symmetric) {
    if (!is_signed && !symmetric) return (struct quantizer_levels){0, (1 << bits) - 1};
    int half = 1 << (bits - 1);
    return (struct quantizer_levels){symmetric ? 1 - half : -half, half - 1};
}

size_t quantizer_packed_bytes(size_t elements, int bits) {
    return (elements * (size_t)bits + 7) / 8;
}
