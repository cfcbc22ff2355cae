/* Every operation's `struct op`, one line each, sorted; op_table.c lists them by name. */
#ifndef TAMIS_OPS_OP_LIST_H
#define TAMIS_OPS_OP_LIST_H

#include "ops/op.h"

extern const struct op op_add;
extern const struct op op_avg_pool;
extern const struct op op_batch_norm;
extern const struct op op_branch_weight;
extern const struct op op_channel_mask;
extern const struct op op_channel_mean;
extern const struct op op_color;
extern const struct op op_concat;
extern const struct op op_conv;
extern const struct op op_conv_mix;
extern const struct op op_conv_transpose;
extern const struct op op_depthwise;
extern const struct op op_deviation;
extern const struct op op_dorefa;
extern const struct op op_elu;
extern const struct op op_exp;
extern const struct op op_gelu;
extern const struct op op_group_norm;
extern const struct op op_hsigmoid;
extern const struct op op_hswish;
extern const struct op op_hwgq;
extern const struct op op_hwgq_mix;
extern const struct op op_identity;
extern const struct op op_instance_norm;
extern const struct op op_join_part;
extern const struct op op_layer_norm;
extern const struct op op_leaky_relu;
extern const struct op op_log;
extern const struct op op_log_softmax;
extern const struct op op_loss_charbonnier;
extern const struct op op_loss_l1;
extern const struct op op_loss_l2;
extern const struct op op_lsq;
extern const struct op op_lsq_mix;
extern const struct op op_lsq_plus;
extern const struct op op_max_pool;
extern const struct op op_mix;
extern const struct op op_multiply;
extern const struct op op_pact;
extern const struct op op_pixel_shuffle;
extern const struct op op_pixel_unshuffle;
extern const struct op op_prelu;
extern const struct op op_quant_noise;
extern const struct op op_relu;
extern const struct op op_relu6;
extern const struct op op_repeat_channels;
extern const struct op op_resize;
extern const struct op op_scalar_affine;
extern const struct op op_sigmoid;
extern const struct op op_silu;
extern const struct op op_softmax;
extern const struct op op_softplus;
extern const struct op op_spatial_deviation;
extern const struct op op_spatial_mean;
extern const struct op op_split;
extern const struct op op_tanh;
extern const struct op op_window_attention;
extern const struct op op_zero;

#endif
