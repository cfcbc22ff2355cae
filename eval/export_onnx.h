/* A finished network as an ONNX file. */
#ifndef TAMIS_EVAL_EXPORT_ONNX_H
#define TAMIS_EVAL_EXPORT_ONNX_H

#include "spaces/network.h"
#include <jansson.h>

/*
 * Writes a network of folded_network: each node by its operation's emitter (op.h). The model has
 * one input "input" (batch x 3 x height x width) and one output "output", of pixel values within
 * 0 .. range of the space, for images of any number and size. Quantized networks have quantizers
 * as QuantizeLinear and DequantizeLinear. `metadata` (text to text) goes along. False with a
 * sentence for each operation that has no ONNX form; nothing is written then.
 */
bool export_onnx_write(const struct network *network, json_t *metadata, const char *path,
                       struct error *error);

#endif
