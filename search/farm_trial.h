/* One run among several of a farm (farm.h): its files, and the processes that do its stages. */
#ifndef TAMIS_SEARCH_FARM_TRIAL_H
#define TAMIS_SEARCH_FARM_TRIAL_H

#include "core/memory.h"
#include "search/spec.h"
#include <sys/types.h>

enum farm_trial_state {
    FARM_TRIAL_WAITING, /* nothing done, or the search is not at its end */
    FARM_TRIAL_SEARCHED,
    FARM_TRIAL_DONE,
    FARM_TRIAL_FAILED
};

/* Zero-initialize; texts are borrowed or lie in the caller's arena. */
struct farm_trial {
    const char *title;        /* for messages: "quantnas, seed 1" */
    const char *strategy;     /* NULL: the spec's */
    const char *architecture; /* path of the one that is trained; NULL: what its search finds */
    double max_macs;          /* of its search; 0: the spec's */
    unsigned stages;          /* pipeline_stages */
    int seed;
    const char *folder;       /* of its run */
    const char *record, *log; /* paths of its two files */
    enum farm_trial_state state;
    const char *failure; /* FARM_TRIAL_FAILED: a sentence */
    double cpu_seconds;  /* of the search, over all processes that worked on it */
    double peak_bytes;   /* largest resident memory of one of them */
    pid_t process;       /* that works on it now; 0: none */
    bool begun;          /* one did already since the farm was opened */
};

/* Reads its record, if there is one. A failed trial waits again. */
bool farm_trial_read(struct farm_trial *trial, struct error *error);
/* Begins its next stages in a new process with so many threads. The search runs apart from the
 * rest, so that its cost is known. */
bool farm_trial_begin(struct farm_trial *trial, const struct spec *spec, int threads, bool force,
                      bool resume, struct error *error);
/* Takes notice of its process's end, if it has ended: true, with the new state in the record. A
 * process that was interrupted leaves the state as it was. */
bool farm_trial_poll(struct farm_trial *trial, struct arena *arena, bool *ended,
                     struct error *error);
/* Asks its process to stop after a checkpoint. */
void farm_trial_interrupt(const struct farm_trial *trial);

#endif
