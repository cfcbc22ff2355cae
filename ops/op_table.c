#include "ops/op_list.h"

/* Sorted by name (op_find searches by halving). */
const struct op *const op_table[] = {
    &op_identity,
};
const int op_table_count = (int)(sizeof op_table / sizeof op_table[0]);
