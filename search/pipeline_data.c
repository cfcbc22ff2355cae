/* The data sets that a spec names. */
#include "core/log.h"
#include "core/memory.h"
#include "search/pipeline.h"
#include <string.h>

/* Added to the run's seed, so that no generated image is in two of the sets. */
enum { VALIDATION_SEED = 0x7A315, TEST_SEED = 2 * VALIDATION_SEED };

bool pipeline_open_data(const struct spec *spec, const char *key, const char *name, int minimum,
                        struct dataset *dataset, struct error *error) {
    bool leaves = strcmp(name, "leaves") == 0;
    bool training = strcmp(key, "data.train") == 0;
    bool testing = strcmp(key, "data.test") == 0;
    struct dataset_spec wanted = {
        .path = leaves ? NULL : name, .scale = spec->scale, .minimum = minimum};
    if (leaves) {
        wanted.count = training ? spec->data.train_count : spec->data.valid_count;
        wanted.size = training ? spec->data.train_size : spec->data.valid_size;
        int seed = spec->data.seed < 0 ? spec->seed : spec->data.seed;
        wanted.seed = (uint64_t)seed + (training ? 0 : testing ? TEST_SEED : VALIDATION_SEED);
        if (wanted.size < minimum)
            return error_at(error, ERROR_SPEC,
                            spec_position(spec, training ? "data.train_size" : "data.valid_size"),
                            "generated images of %d pixels are smaller than a patch of %d "
                            "high-resolution pixels; raise data.%s_size or lower the patch",
                            wanted.size, minimum, training ? "train" : "valid");
    } else if (training) {
        wanted.limit = spec->data.train_limit;
        wanted.skip_small = spec->data.train_small == 1;
    } else if (strcmp(key, "data.valid") == 0) {
        wanted.limit = spec->data.valid_limit;
    }
    struct error inner = {0};
    if (dataset_open(&wanted, dataset, &inner)) {
        log_info("%s: %zu images from %s", key, dataset->count,
                 leaves ? "the dead-leaves generator" : name);
        if (dataset->skipped)
            log_info("%s: %zu images are smaller than a patch and were left out", key,
                     dataset->skipped);
        return true;
    }
    struct position position = spec_position(spec, key);
    /* The data's own sentence names the file; the setting that named the folder comes before it. */
    char *line = inner.text, *rest = NULL;
    for (line = strtok_r(inner.text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        error_at(error, inner.code, position, "%s: %s", key, line);
    return false;
}
