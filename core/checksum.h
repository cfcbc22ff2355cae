/* CRC-32C (Castagnoli polynomial, RFC 3720 appendix B.4). */
#ifndef TAMIS_CORE_CHECKSUM_H
#define TAMIS_CORE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Continue with the last result as `crc`; start with 0. */
uint32_t checksum_crc32c(uint32_t crc, const void *data, size_t bytes);

/* The same, one half-byte at a time: decides what is correct, and serves processors without
 * SSE 4.2. */
uint32_t checksum_crc32c_plain(uint32_t crc, const void *data, size_t bytes);

#endif
