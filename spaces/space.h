/* A search space as its YAML file describes it (docs/space-language.md): the network template. */
#ifndef TAMIS_SPACES_SPACE_H
#define TAMIS_SPACES_SPACE_H

#include "core/error.h"
#include "core/yaml.h"
#include <stdint.h>

struct space;

/* Values that a user of the space gives: the scale, and replacements for named values of `let`. */
enum { SPACE_MAX_LET = 32 };
struct space_settings {
    int scale; /* 2, 3, 4, ... */
    int let_count;
    const char *let_names[SPACE_MAX_LET]; /* borrowed while space_read runs */
    double let_values[SPACE_MAX_LET];
    struct position let_positions[SPACE_MAX_LET]; /* for messages; may be unknown */
};

/* Reads a space by the path of its file, or by the name of a shipped one ("rfdn"). All errors of
 * the file are reported at once. Free with space_free. */
struct space *space_read(const char *name_or_path, const struct space_settings *settings,
                         struct error *error);
struct space *space_parse(const char *path, const char *text, size_t length,
                          const struct space_settings *settings, struct error *error);
void space_free(struct space *space);

const char *space_name(const struct space *space);
const char *space_path(const struct space *space);
/* The file, to be copied; of a space that includes others, one that needs them no more. */
const char *space_text(const struct space *space, size_t *length);
/* CRC-32C of the file's meaning: comments, order of map keys and white space do not matter; the
 * scale, the effective `let` values and what is included do. */
uint32_t space_checksum(const struct space *space);
const struct space_settings *space_effective_settings(const struct space *space);
/* Pixel values are 0..range (1 or 255) at the network's input and output. */
double space_range(const struct space *space);
/* The quantizer of activations that the space names: "hwgq" (convolutions read ReLUs) or "lsq". */
const char *space_activation_quantizer(const struct space *space);

/* Names of the shipped spaces, sorted; free with file_list_free. */
bool space_list(char ***names, size_t *count, struct error *error);

#endif
