#include "ops/op.h"
#include <string.h>

const struct op *op_find(const char *name) {
    int low = 0, high = op_table_count;
    while (low < high) {
        int middle = low + (high - low) / 2;
        int order = strcmp(name, op_table[middle]->name);
        if (order == 0) return op_table[middle];
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

int op_attribute_index(const struct op *op, const char *name) {
    for (int i = 0; i < op->attribute_count; i++) {
        if (strcmp(op->attributes[i].name, name) == 0) return i;
    }
    return -1;
}

void op_attribute_defaults(const struct op *op, double *attribute) {
    for (int i = 0; i < op->attribute_count; i++)
        attribute[i] = op->attributes[i].initial;
}

int op_window_output(int size, int kernel, int stride, int padding, int dilation) {
    long long covered = (long long)dilation * (kernel - 1) + 1;
    long long room = (long long)size + 2LL * padding - covered;
    return room < 0 ? 0 : (int)(room / stride) + 1;
}
