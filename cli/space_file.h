/* A space as a drawing in a file: `tamis check SPACE --drawing FILE`. */
#ifndef TAMIS_CLI_SPACE_FILE_H
#define TAMIS_CLI_SPACE_FILE_H

#include "cli/options.h"
#include "spaces/space.h"

/* False with a sentence where the file's name does not end in .svg or .dot, or where it is there
 * already and must not be replaced. */
bool space_file_check(const struct options *options, struct error *error);
/* Draws the supernet for a low-resolution input of height x width. */
bool space_file_write(const char *path, const struct space *space, int height, int width,
                      struct error *error);

#endif
