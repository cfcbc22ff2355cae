#include "cli/help.h"
#include <string.h>

/* Text from column `column` on, broken at spaces before column 80. */
static void print_wrapped(FILE *stream, const char *text, int column) {
    int at = column;
    while (*text) {
        int length = (int)strcspn(text, " ");
        if (at > column && at + 1 + length > 79) {
            fprintf(stream, "\n%*s", column, "");
            at = column;
        } else if (at > column) {
            fputc(' ', stream);
            at++;
        }
        fprintf(stream, "%.*s", length, text);
        at += length;
        text += length;
        while (*text == ' ')
            text++;
    }
    fputc('\n', stream);
}

static void print_options(FILE *stream, unsigned commands, bool is_common) {
    enum { WIDTH = 22 };
    for (int i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        if (!(option->commands & commands) || option->is_common != is_common) continue;
        int written = fprintf(stream, "  --%s%s%s", option->name, option->argument ? " " : "",
                              option->argument ? option->argument : "");
        fprintf(stream, "%*s", written < WIDTH ? WIDTH - written : 1, "");
        print_wrapped(stream, option->meaning, WIDTH);
    }
}

void help_overview(FILE *stream) {
    enum { WIDTH = 29 };
    fprintf(stream, "Tamis searches neural architectures for image super-resolution together with\n"
                    "their bit widths, retrains and quantizes what it finds, and reports cost and\n"
                    "quality.\n\nUsage: tamis COMMAND [OPTIONS] ...\n\nCommands:\n");
    for (int i = 0; i < command_count; i++) {
        const struct command *command = command_table[i];
        int written = fprintf(stream, "  %-9s %s", command->name, command->words);
        fprintf(stream, "%*s", written < WIDTH ? WIDTH - written : 1, "");
        print_wrapped(stream, command->summary, WIDTH);
    }
    fprintf(stream, "\nCommon options:\n");
    print_options(stream, COMMAND_ALL, true);
    fprintf(stream, "\nExample: tamis run search/quickstart.yaml\n"
                    "\"tamis help COMMAND\" tells more about one of them.\n");
}

void help_command(FILE *stream, const struct command *command) {
    bool has_own = false;
    for (int i = 0; i < option_count; i++)
        has_own |= !option_table[i].is_common && option_table[i].commands & command->bit;
    fprintf(stream, "Usage: tamis %s %s [OPTIONS]\n\n", command->name, command->words);
    print_wrapped(stream, command->description, 0);
    if (has_own) {
        fprintf(stream, "\nOptions:\n");
        print_options(stream, command->bit, false);
    }
    fprintf(stream, "\nCommon options:\n");
    print_options(stream, command->bit, true);
    fprintf(stream, "\nExample: %s\n", command->example);
}
