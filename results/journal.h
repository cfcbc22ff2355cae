/*
 * The journal of a run, `journal.jsonl`: one JSON object a line, append-only. Every object has
 * "event" (its name) and "time" (seconds since 1970).
 *
 * Events that belong to one step of training carry "stage" ("search", "retrain", "quantize") and
 * "step". A run that resumes from a checkpoint does some steps again; a reader must see each
 * (event, stage, step) once, so that its curves are those of an uninterrupted run. `journal_rewind`
 * writes the event "rewind" that says so, and `journal_read` leaves out what it supersedes.
 *
 * Fields of the event "step" that the report draws: "loss", "bitops" (expected BitOps), "entropy"
 * (sum over slots), "entropies" (list, one per slot), "validation" (PSNR). Every field is optional.
 */
#ifndef TAMIS_RESULTS_JOURNAL_H
#define TAMIS_RESULTS_JOURNAL_H

#include "core/error.h"
#include "results/text.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal {
    char *path;
    int file;         /* descriptor; -1 when closed */
    struct text line; /* reused, so that writing allocates nothing of core/memory once it is warm */
};

/* Opens for appending, made if it is not there. A torn last line (the process was killed while it
 * wrote) is cut off first. */
bool journal_open(struct journal *journal, const char *path, struct error *error);
/* Writes one event in a single write. `fields` is an object (or NULL) and is released here, also on
 * error; its keys "event" and "time" are set here. */
bool journal_write(struct journal *journal, const char *event, json_t *fields, struct error *error);
/* Call after loading a checkpoint that was made after `step` of `stage`: step events of this stage
 * with a greater step that were written before are superseded. -1 supersedes the whole stage. */
bool journal_rewind(struct journal *journal, const char *stage, int64_t step, struct error *error);
/* Forces all lines to disk; call before a checkpoint is written, so that no step before it is lost.
 */
bool journal_flush(struct journal *journal, struct error *error);
/* Flushes and closes; fine when it is closed already. */
void journal_close(struct journal *journal);

/* All events in order, without superseded ones, repeated steps (the last one written stays) and the
 * rewinds themselves: an array of objects, json_decref it. A torn last line is ignored; any other
 * broken line is an ERROR_DATA sentence with its number. NULL on error. */
json_t *journal_read(const char *path, struct error *error);

/* The points (step, field) of the events `event` of one stage; events without a numeric `field` are
 * left out. With `index` >= 0 the field is a list and its item is taken. *x and *y are new arrays
 * of the returned length; free each with memory_free. */
size_t journal_series(const json_t *events, const char *event, const char *stage, const char *field,
                      int index, double **x, double **y);

#endif
