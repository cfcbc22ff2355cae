/*
 * Many runs of one spec, several at a time, each in a process of its own and in a folder of its own
 * below one folder: what comparing strategies and ranking architectures are made of.
 */
#ifndef TAMIS_SEARCH_FARM_H
#define TAMIS_SEARCH_FARM_H

#include "results/run.h"
#include "search/farm_trial.h"

/* In the farm's folder: what is known of its trials, <name>.json, and what they said, <name>.log.
 */
#define FARM_TRIALS "trials"

struct farm_options {
    bool force;  /* begin anew in a folder that has a farm */
    bool resume; /* go on: finished trials are passed over, failed ones tried again */
};

struct farm {
    const struct spec *spec; /* borrowed; its `out` is the folder */
    struct farm_options options;
    struct run run;
    bool resumed; /* the folder had this farm already */
    struct farm_trial *trials;
    size_t count, capacity;
    struct arena arena; /* the trials' texts */
};

/* Makes the folder, or opens it. Close with farm_close, also after failure. */
bool farm_open(struct farm *farm, const struct spec *spec, const struct farm_options *options,
               struct error *error);
/* Adds a trial in the subfolder `name` and reads what is known of it. `trial` has its title,
 * strategy, architecture, stages and seed (texts that live as long as the farm). */
bool farm_add(struct farm *farm, const char *name, const struct farm_trial *trial,
              struct error *error);
/*
 * Runs all trials, as many at a time (`processes`; 0: one for each thread) as four fifths of the
 * memory hold. A failed trial does not end the others. Must be called before anything ran on
 * several threads in this process. ERROR_INTERRUPTED after every trial left a checkpoint.
 */
bool farm_run(struct farm *farm, int processes, struct error *error);
/* Writes a text to a file of the folder and frees it. */
bool farm_write(const struct farm *farm, const char *name, char *text, struct error *error);
void farm_close(struct farm *farm);

#endif
