/* Checkpoints: named arrays and a step number, complete or absent, with checksums. */
#ifndef TAMIS_EVAL_CHECKPOINT_H
#define TAMIS_EVAL_CHECKPOINT_H

#include "core/error.h"
#include "core/safetensors.h"
#include "ops/optimizer.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of state: `count` values of `type` at `data` (borrowed; read into in place). */
struct checkpoint_array {
    const char *name;
    enum safetensors_type type;
    void *data;
    size_t count;
};

/* The state of an optimizer under `names` (steps, first moment, second moment); returns how many
 * arrays there are (2 or 3). */
size_t checkpoint_optimizer(struct optimizer *optimizer, const char *const names[3],
                            struct checkpoint_array *arrays);

/* Writes `path` (safetensors; the metadata holds the step and a CRC-32C of every array). The
 * checkpoint that was there before is kept, if its checksums hold: "search.safetensors" as
 * "search.previous.safetensors". */
bool checkpoint_write(const char *path, int64_t step, const struct checkpoint_array *arrays,
                      size_t count, struct error *error);
/* The step of the newest checkpoint whose checksums hold: `path` or the one before it; -1 when
 * there is neither. A broken one is reported with a warning and passed over. */
int64_t checkpoint_step(const char *path);
/* Fills the arrays from the checkpoint of that step. Names, types and counts must agree; nothing is
 * changed when it fails. */
bool checkpoint_read(const char *path, int64_t step, const struct checkpoint_array *arrays,
                     size_t count, struct error *error);

#endif
