/* Numbers as people read them. Every function writes to `buffer` and returns it. */
#ifndef TAMIS_RESULTS_UNITS_H
#define TAMIS_RESULTS_UNITS_H

#include <stdbool.h>
#include <stddef.h>

enum { UNITS_BYTES = 32 }; /* enough for every text that is made here */

/* BitOps and MACs: four significant digits with K, M, G, T, P ("117.2 T"); below 1000 the plain
 * number. Numbers that are not finite or negative give "–". */
const char *units_operations(double operations, char buffer[UNITS_BYTES]);
/* Counts such as parameters, the same way. */
const char *units_count(double count, char buffer[UNITS_BYTES]);
/* Bytes in decimal units: "412 B", "1.234 kB", "6.080 MB". */
const char *units_file_size(double bytes, char buffer[UNITS_BYTES]);
/* Reads bytes, the other way round: "1234", "600 MiB", "2GB"; false for what is not a size. */
bool units_read_bytes(const char *text, double *bytes);
/* "28.42" (dB), "∞" for infinite, "–" for not measured (NaN). */
const char *units_psnr(double decibel, char buffer[UNITS_BYTES]);
/* "0.8104"; "–" for NaN. */
const char *units_ssim(double ssim, char buffer[UNITS_BYTES]);
/* "1 h 04 min", "12 min 30 s", "8.3 s". */
const char *units_duration(double seconds, char buffer[UNITS_BYTES]);

#endif
