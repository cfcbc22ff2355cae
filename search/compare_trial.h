/* One trial of a comparison: its files, and the processes that do its stages. */
#ifndef TAMIS_SEARCH_COMPARE_TRIAL_H
#define TAMIS_SEARCH_COMPARE_TRIAL_H

#include "core/memory.h"
#include "search/spec.h"
#include <sys/types.h>

enum compare_trial_state {
    COMPARE_TRIAL_WAITING, /* nothing done, or the search is not at its end */
    COMPARE_TRIAL_SEARCHED,
    COMPARE_TRIAL_DONE,
    COMPARE_TRIAL_FAILED
};

/* Zero-initialize; texts are borrowed or lie in the caller's arena. */
struct compare_trial {
    const char *strategy;
    int seed;
    const char *folder;       /* of its run */
    const char *record, *log; /* paths of its two files */
    enum compare_trial_state state;
    const char *failure; /* COMPARE_TRIAL_FAILED: a sentence */
    double cpu_seconds;  /* of the search, over all processes that worked on it */
    double peak_bytes;   /* largest resident memory of one of them */
    pid_t process;       /* that works on it now; 0: none */
};

/* Reads its record, if there is one. A failed trial waits again. */
bool compare_trial_read(struct compare_trial *trial, struct error *error);
/* Begins its next stage in a new process with so many threads. The search runs apart from the rest,
 * so that its cost is known. */
bool compare_trial_begin(struct compare_trial *trial, const struct spec *spec, int threads,
                         bool force, bool resume, struct error *error);
/* Takes notice of its process's end, if it has ended: true, with the new state in the record. A
 * process that was interrupted leaves the state as it was. */
bool compare_trial_poll(struct compare_trial *trial, struct arena *arena, bool *ended,
                        struct error *error);
/* Asks its process to stop after a checkpoint. */
void compare_trial_interrupt(const struct compare_trial *trial);

#endif
