/* What is chosen, in the words of a drawing. All texts are in `arena`. */
#ifndef TAMIS_SEARCH_CHOICE_TEXT_H
#define TAMIS_SEARCH_CHOICE_TEXT_H

#include "core/memory.h"
#include "spaces/network.h"

/* The candidates of a slot, one a line, each with its bit widths ("conv3 · 4 | 8 bit"), and below a
 * candidate the slots inside it; slots inside all of them are at the end. */
const char *choice_text(const struct space *space, int slot, struct arena *arena);
/* The names of its candidates in one line: "1 | 2". */
const char *choice_line(const struct space *space, int slot, struct arena *arena);
/* Channels: "48", or where slots choose them "24 | 48"; parts in a row with + between them. */
const char *width_text(const struct space *space, const struct width_layout *layout, int channels,
                       struct arena *arena);
/* The bits of a convolution: "4 bit", "4 | 8 bit", "4 | 8 bit weights, 8 bit activations". */
const char *site_bits_text(const struct space *space, const struct network_site *site,
                           struct arena *arena);

#endif
