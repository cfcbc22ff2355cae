/* The run folder: every stage reads and writes plain files in it. */
#ifndef TAMIS_RESULTS_RUN_H
#define TAMIS_RESULTS_RUN_H

#include "core/error.h"
#include <stdbool.h>

#define RUN_SPEC "spec.yaml"
#define RUN_SPACE "space.yaml"
#define RUN_ARCHITECTURE "arch.yaml"
#define RUN_WEIGHTS "weights.safetensors"
#define RUN_QUANTIZED "quantized.safetensors"
#define RUN_JOURNAL "journal.jsonl"
#define RUN_RESULT "result.json"
#define RUN_REPORT "report.html"
#define RUN_CHECKPOINT "checkpoint" /* a folder; its files end in .safetensors, .json or .yaml */
#define RUN_IMAGES "images"         /* a folder of .png files */
#define RUN_FRONT "front"           /* a folder of .yaml files; not every run has one */
#define RUN_LOCK "run.lock"         /* marks the folder as Tamis's; locked while a process writes */

struct run {
    char *path;
    int lock; /* file descriptor, or -1 when opened for reading */
};

enum run_access {
    RUN_READ, /* takes no lock: `tamis report` of a run that is still going */
    RUN_WRITE
};

/*
 * Makes the folder (with its parents, `checkpoint/` and `images/`) and takes its lock. A folder
 * that has a run already is refused unless `force` is set; then the files named above and the
 * .safetensors, .json, .yaml and .png files in its three subfolders are removed, and nothing else.
 * A folder without RUN_LOCK that has files of these names was not made by Tamis and is refused even
 * then. Errors: ERROR_SPEC for a folder that cannot be used, ERROR_FAILED when another process has
 * the lock or the disk refuses.
 */
bool run_create(struct run *run, const char *path, bool force, struct error *error);
/* Opens a folder that has a run. The lock dies with the process, so a killed run leaves none
 * behind. */
bool run_open(struct run *run, const char *path, enum run_access access, struct error *error);
/* The path of a file of the run; new string, free with memory_free. */
char *run_path(const struct run *run, const char *name);
/* True if the run has this file. */
bool run_has(const struct run *run, const char *name);
/* True if `path` is a folder that has a run: for commands that take RUN|ARCH. */
bool run_is_folder(const char *path);
/* Frees the lock and the memory; fine on a zeroed-and-failed struct. The lock file stays. */
void run_close(struct run *run);

#endif
