/* A quantized network as one C file that needs nothing else. */
#ifndef TAMIS_EVAL_EXPORT_C_H
#define TAMIS_EVAL_EXPORT_C_H

#include "eval/integer_network.h"

/*
 * Writes `path`, which ends in ".c", and a header beside it that ends in ".h": C99 with <stdint.h>,
 * <stddef.h>, <string.h> and <math.h> alone, packed weights, and of the code in ops/integer_*.h the
 * parts that this network takes. It makes the bits that the integer engine makes, row by row, and
 * in 256 KiB where network and picture are small enough for it. With MODEL_MAIN defined it is a
 * program that upscales a PPM file. `title` stands in the first line.
 */
bool export_c_write(const struct integer_network *network, int scale, const char *title,
                    const char *path, struct error *error);
/* The header's path; free with memory_free. */
char *export_c_header(const char *path);

#endif
