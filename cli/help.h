/* Help texts, made from the tables of commands and options. */
#ifndef TAMIS_CLI_HELP_H
#define TAMIS_CLI_HELP_H

#include "cli/command.h"
#include <stdio.h>

/* All commands. */
void help_overview(FILE *stream);
/* One command with its options. */
void help_command(FILE *stream, const struct command *command);

#endif
