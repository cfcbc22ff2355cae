/* tamis report RUN... */
#include "cli/command.h"
#include "cli/output.h"
#include "core/file.h"
#include "core/json.h"
#include "results/run.h"
#include "search/pipeline.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the page of a run goes; free with memory_free. */
static char *page_path(const struct options *options, const char *run_path_name) {
    if (options->output) return path_join("", options->output);
    if (!options->out) return path_join(run_path_name, RUN_REPORT);
    char *whole = realpath(run_path_name, NULL);
    const char *slash = whole ? strrchr(whole, '/') : NULL;
    struct arena arena = {0};
    char *page =
        path_join(options->out, arena_format(&arena, "%s.html", slash ? slash + 1 : "report"));
    arena_free(&arena);
    free(whole);
    return page;
}

static bool report_one(const struct options *options, const char *path, const char *page,
                       struct error *error) {
    if (!run_is_folder(path))
        return error_add(error, ERROR_SPEC,
                         folder_exists(path) ? "the folder \"%s\" has no run of Tamis"
                                             : "there is no run \"%s\"",
                         path);
    bool is_own = !options->output && !options->out;
    if (!is_own && !options->force && file_exists(page))
        return error_add(error, ERROR_SPEC, "\"%s\" is there already; replace it with --force",
                         page);
    return pipeline_report(path, is_own ? NULL : page, error);
}

static bool run(const struct options *options, struct error *error) {
    size_t count = options->words.count - 1;
    if (options->output && count > 1)
        return error_add(error, ERROR_SPEC,
                         "--output names one page, but there are %zu runs; use --out for a folder",
                         count);
    if (options->output && options->out)
        return error_add(error, ERROR_SPEC, "give --output or --out, not both");
    if (options->out && !folder_create(options->out, error)) return false;
    json_t *pages = json_array();
    bool ok = true;
    for (size_t i = 1; ok && i <= count; i++) {
        char *page = page_path(options, options->words.items[i]);
        ok = report_one(options, options->words.items[i], page, error);
        if (ok && !options->json) printf("%s\n", page);
        json_t *entry = json_object();
        json_object_set_new(entry, "run", output_text(options->words.items[i]));
        json_object_set_new(entry, "report", output_text(page));
        json_array_append_new(pages, entry);
        memory_free(page);
    }
    json_t *document = json_object();
    json_object_set_new(document, "version", json_string(TAMIS_VERSION));
    json_object_set_new(document, "reports", pages);
    if (ok && options->json) json_print(document);
    json_decref(document);
    return ok;
}

const struct command command_report = {
    .name = "report",
    .bit = COMMAND_REPORT,
    .words = "RUN...",
    .needed = "at least one RUN",
    .minimum = 1,
    .maximum = 1000,
    .summary = "one self-contained HTML page a run",
    .description = "Writes the report of each run from the files in its folder, also of one that "
                   "is still going: report.html in the folder, or where --output or --out say.",
    .example = "tamis report runs/quickstart --output quickstart.html",
    .run = run,
};
