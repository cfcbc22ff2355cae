/* tamis: finds the command, reads its options, calls it, and turns its error into an exit code. */
#include "cli/command.h"
#include "cli/help.h"
#include "core/interrupt.h"
#include "core/log.h"
#include "core/threads.h"
#include <stdio.h>
#include <string.h>

const struct command *const command_table[] = {
    &command_run,     &command_search, &command_retrain, &command_quantize, &command_eval,
    &command_upscale, &command_export, &command_compare, &command_rank,     &command_check,
    &command_list,    &command_report, &command_bench,   &command_import,
};
const int command_count = (int)(sizeof command_table / sizeof command_table[0]);

const struct command *command_find(const char *name) {
    for (int i = 0; i < command_count; i++)
        if (strcmp(command_table[i]->name, name) == 0) return command_table[i];
    return NULL;
}

static const struct command *find_or_explain(const char *name, struct error *error) {
    const struct command *command = command_find(name);
    const char *names[sizeof command_table / sizeof command_table[0]];
    for (int i = 0; i < command_count; i++)
        names[i] = command_table[i]->name;
    if (command) return command;
    const char *nearest = error_nearest(name, names, (size_t)command_count);
    if (nearest)
        error_add(error, ERROR_SPEC, "unknown command \"%s\"; did you mean \"%s\"?", name, nearest);
    else
        error_add(error, ERROR_SPEC, "unknown command \"%s\"; `tamis help` shows all", name);
    return NULL;
}

static bool check_words(const struct options *options, const struct command *command,
                        struct error *error) {
    int count = (int)options->words.count - 1;
    if (count < command->minimum)
        return error_add(error, ERROR_SPEC, "\"tamis %s\" needs %s; for example: %s", command->name,
                         command->needed, command->example);
    if (count > command->maximum)
        return error_add(error, ERROR_SPEC, "\"tamis %s\" takes %s, but \"%s\" follows it",
                         command->name, command->needed,
                         options->words.items[command->maximum + 1]);
    return true;
}

static bool run_command(const struct options *options, const struct command *command,
                        struct error *error) {
    if (!options_check(options, command->name, command->bit, error) ||
        !check_words(options, command, error))
        return false;
    if (command->is_long) interrupt_install();
    threads_set(options->threads > 0 ? options->threads : 0);
    return command->run(options, error);
}

static bool help(const struct options *options, struct error *error) {
    bool is_word = options->words.count && strcmp(options->words.items[0], "help") == 0;
    size_t at = is_word ? 1 : 0;
    if (options->words.count <= at) {
        help_overview(stdout);
        return true;
    }
    if (is_word && strcmp(options->words.items[at], "help") == 0) {
        help_overview(stdout);
        return true;
    }
    const struct command *command = find_or_explain(options->words.items[at], error);
    if (command) help_command(stdout, command);
    return command != NULL;
}

static bool dispatch(const struct options *options, struct error *error) {
    const char *first = options->words.count ? options->words.items[0] : NULL;
    if (options->help || (first && strcmp(first, "help") == 0)) return help(options, error);
    if (options->version) {
        printf("tamis %s\n", TAMIS_VERSION);
        return true;
    }
    if (!first) {
        help_overview(stderr);
        error->code = ERROR_SPEC;
        return false;
    }
    const struct command *command = find_or_explain(first, error);
    return command && run_command(options, command, error);
}

int main(int argument_count, char **arguments) {
    threads_bound_spinning(arguments);
    static struct error error;
    struct options options;
    bool ok = options_parse(&options, argument_count - 1, arguments + 1, &error);
    if (options.quiet) log_set_level(LOG_QUIET);
    ok = ok && dispatch(&options, &error);
    if ((fflush(stdout) != 0 || ferror(stdout)) && ok)
        ok = error_add(&error, ERROR_FAILED, "standard output could not be written");
    error_print(&error);
    options_free(&options);
    return ok ? 0 : error.code ? (int)error.code : ERROR_FAILED;
}
