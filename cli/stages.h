/* The commands that work in a run folder: reading their spec, running stages, printing what came.
 */
#ifndef TAMIS_CLI_STAGES_H
#define TAMIS_CLI_STAGES_H

#include "cli/options.h"
#include "search/pipeline.h"

/* Reads a spec with the settings of the command line, and sets the number of threads. `path` may be
 * NULL: all defaults. */
bool stages_spec(const struct options *options, const char *path, struct spec *spec,
                 struct error *error);
/* The spec of a command that takes a SPEC or a SPACE: a run spec, or the defaults with the space.
 * --scale, --batch and --patch replace the settings of these names, the last two in every stage. */
bool stages_open(const struct options *options, const char *path, bool *is_space, struct spec *spec,
                 struct error *error);
/* Runs the stages in the folder of the spec and prints their results: the table where there are
 * scores, the files that are there. */
bool stages_run(const struct options *options, const struct spec *spec,
                const struct pipeline_options *stages, struct error *error);

/* An architecture that a command was given, by its file or by the run that it is in. */
struct stages_source {
    const char *architecture; /* path of its file */
    const char *folder;       /* where weights and spec may lie beside it */
    const char *name;         /* for new folders: the run's, or the file's without its ending */
    const char *spec;         /* path of the spec beside it, or NULL */
    bool is_run;              /* it is the architecture of a run folder */
    struct arena arena;
};
/* Fails with a sentence when there is no such thing. Free with stages_source_free also then. */
bool stages_source_open(const char *path, struct stages_source *source, struct error *error);
void stages_source_free(struct stages_source *source);
/* Reads the spec of a command that begins with an architecture: --spec, else the one beside it,
 * else the defaults; space, scale and `let` are the architecture's; its folder is `out`. */
bool stages_source_spec(const struct options *options, const struct stages_source *source,
                        const char *out, struct spec *spec, struct error *error);

/* Whether --engine asks for the integer engine; a sentence where there is no engine of that name.
 */
bool stages_engine(const struct options *options, bool *integers, struct error *error);

#endif
