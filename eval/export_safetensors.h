/* A quantized network's weights as integers in a safetensors file. */
#ifndef TAMIS_EVAL_EXPORT_SAFETENSORS_H
#define TAMIS_EVAL_EXPORT_SAFETENSORS_H

#include "spaces/network.h"
#include <jansson.h>

/*
 * Writes a network of NETWORK_QUANTIZED. Of a quantized convolution "<path>" the file holds, in
 * PyTorch's order:
 *   <path>.weight            levels, int8 (int16 for more than 8 bits)
 *   <path>.weight_scale      float32, of each output channel: weight = scale * level
 *   <path>.input_scale       float32, one
 *   <path>.input_zero_point  int32, one: input = scale * (level - zero point), levels 0 .. 2^bits-1
 * and the metadata have "<path>.weight_bits" and "<path>.input_bits". All other tensors are float32
 * as they are. Adds to `metadata` (text to text), which is borrowed.
 */
bool export_safetensors_write(const struct network *network, json_t *metadata, const char *path,
                              struct error *error);

#endif
