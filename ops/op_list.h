/* Every operation's `struct op`, one line each, sorted; op_table.c lists them by name. */
#ifndef TAMIS_OPS_OP_LIST_H
#define TAMIS_OPS_OP_LIST_H

#include "ops/op.h"

extern const struct op op_identity;

#endif
