#include "core/checksum.h"
#include <string.h>

uint32_t checksum_crc32c_plain(uint32_t crc, const void *data, size_t bytes) {
    /* Remainders of the 16 half-bytes by the reflected polynomial 0x82f63b78. */
    static const uint32_t remainders[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
                                            0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
                                            0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
                                            0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
    const unsigned char *byte = data;
    crc = ~crc;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= byte[i];
        crc = crc >> 4 ^ remainders[crc & 15];
        crc = crc >> 4 ^ remainders[crc & 15];
    }
    return ~crc;
}

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data,
                                                               size_t bytes) {
    const unsigned char *byte = data;
    uint64_t state = (uint32_t)~crc;
    for (; bytes >= 8; bytes -= 8, byte += 8) {
        uint64_t word;
        memcpy(&word, byte, 8);
        state = __builtin_ia32_crc32di(state, word);
    }
    uint32_t tail = (uint32_t)state;
    for (; bytes > 0; bytes--, byte++)
        tail = __builtin_ia32_crc32qi(tail, *byte);
    return ~tail;
}

uint32_t checksum_crc32c(uint32_t crc, const void *data, size_t bytes) {
    if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42(crc, data, bytes);
    return checksum_crc32c_plain(crc, data, bytes);
}

#else

uint32_t checksum_crc32c(uint32_t crc, const void *data, size_t bytes) {
    return checksum_crc32c_plain(crc, data, bytes);
}

#endif
