/* What is inside a space; for the files of this folder alone. */
#ifndef TAMIS_SPACES_SPACE_PRIVATE_H
#define TAMIS_SPACES_SPACE_PRIVATE_H

#include "spaces/architecture.h"
#include "spaces/expression.h"
#include "spaces/include.h"
#include "spaces/network.h"
#include "spaces/space.h"
#include "spaces/template.h"

enum activation_quantizer {
    ACTIVATION_HWGQ, /* ReLU, then half-wave Gaussian quantization with fixed levels */
    ACTIVATION_LSQ   /* learned step and lowest level */
};

/* Bit widths that quantizers know; 32 stands for "not quantized". */
enum {
    BITS_MINIMUM = 2,
    BITS_MAXIMUM = 8,
    BITS_WIDE = 16,
    BITS_FLOAT = 32,
    BITS_MAX_COUNT = NETWORK_MAX_WIDTHS
};

struct bits_list {
    int count;
    int values[BITS_MAX_COUNT];
    /* Of activations where they are chosen apart from those of weights; 0: the same. */
    int activation_count;
    int activations[BITS_MAX_COUNT];
};

struct space {
    const char *name;
    char *path;
    char *text;
    size_t length;
    struct yaml_document document;
    struct include include;
    const struct yaml_node *root; /* with what is included */
    struct template template;
    struct space_settings settings; /* effective: names of `let`, in order, with their values */
    struct expression_names names;  /* scale, then `let` */
    const char *name_items[SPACE_MAX_LET + 1];
    double name_values[SPACE_MAX_LET + 1];
    double range;
    struct bits_list bits; /* of searched convolutions */
    enum activation_quantizer activations;
    uint32_t checksum;
    struct slots slots;
    struct name_index slot_index;
    struct arena arena; /* of the slots */
};

/* Reads a list of bit widths, or one, or {weights: ..., activations: ...}. Every width is within
 * the limits and stands once; 32 stands alone. */
bool bits_read(const struct yaml_node *node, const struct expression_names *names,
               struct bits_list *bits, struct error *error);

uint32_t space_compute_checksum(const struct space *space);

#endif
