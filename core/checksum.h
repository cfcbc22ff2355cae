/* CRC-32C (Castagnoli polynomial, RFC 3720 appendix B.4). */
#ifndef TAMIS_CORE_CHECKSUM_H
#define TAMIS_CORE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* Continue with the last result as `crc`; start with 0. */
uint32_t checksum_crc32c(uint32_t crc, const void *data, size_t bytes);

#endif
