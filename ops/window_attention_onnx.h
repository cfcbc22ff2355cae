/* The ONNX emitter of op_window_attention.c. */
#ifndef TAMIS_OPS_WINDOW_ATTENTION_ONNX_H
#define TAMIS_OPS_WINDOW_ATTENTION_ONNX_H

#include "ops/onnx_call.h"

bool window_attention_onnx(struct onnx_call *call);

#endif
