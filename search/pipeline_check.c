#include "search/pipeline_check.h"
#include "core/file.h"
#include "core/memory.h"
#include "eval/sampler.h"
#include "search/variant.h"

/* The patches that the stages train on. */
struct patch_use {
    unsigned stage;
    const char *key;
    int patch;
    enum sampler_half half;
};
enum { PATCH_USES = 3 };

static void list_uses(const struct spec *spec, struct patch_use uses[PATCH_USES]) {
    uses[0] = (struct patch_use){PIPELINE_SEARCH, "search.patch", spec->search.weights.patch,
                                 SAMPLER_FIRST_HALF};
    uses[1] =
        (struct patch_use){PIPELINE_RETRAIN, "retrain.patch", spec->retrain.patch, SAMPLER_ALL};
    uses[2] =
        (struct patch_use){PIPELINE_QUANTIZE, "quantize.patch", spec->quantize.patch, SAMPLER_ALL};
}

int pipeline_largest_patch(const struct spec *spec, unsigned stages) {
    struct patch_use uses[PATCH_USES];
    int patch = 0;
    list_uses(spec, uses);
    for (int i = 0; i < PATCH_USES; i++)
        if (stages & uses[i].stage && uses[i].patch > patch) patch = uses[i].patch;
    return patch;
}

bool pipeline_check_bits(const struct spec *spec, const struct space *space, unsigned stages,
                         struct error *error) {
    struct architecture *first = architecture_create(space);
    struct variants variants = {0};
    bool ok =
        variants_create(spec, first, stages & PIPELINE_BASELINES ? first : NULL, &variants, error);
    variants_free(&variants);
    architecture_free(first);
    return ok;
}

/* Whether every network of the space takes a low-resolution input of this size. */
static bool takes_size(const struct space *space, int height, int width, struct error *error) {
    struct parameters *parameters = parameters_create();
    struct network_options options = {
        .batch = 1, .height = height, .width = width, .precision = NETWORK_FLOAT};
    struct network *network = network_build(space, parameters, &options, error);
    if (network) network_free(network);
    parameters_free(parameters);
    return network != NULL;
}

bool pipeline_check_patches(const struct spec *spec, const struct space *space,
                            const struct dataset *train, unsigned stages, struct error *error) {
    struct patch_use uses[PATCH_USES];
    bool ok = true;
    list_uses(spec, uses);
    for (int i = 0; i < PATCH_USES; i++) {
        if (!(stages & uses[i].stage)) continue;
        struct sampler_spec sampling = {
            .patch = uses[i].patch, .half = uses[i].half, .seed = (uint64_t)spec->seed, .range = 1};
        struct sampler sampler;
        struct error inner = {0};
        if (!sampler_create(train, &sampling, &sampler, &inner))
            ok = error_at(error, inner.code, spec_position(spec, "data.train"), "data.train: %s",
                          inner.text);
        sampler_free(&sampler);
        if (!ok) return false;
        if (!takes_size(space, uses[i].patch, uses[i].patch, &inner))
            ok = error_at(error, inner.code, spec_position(spec, uses[i].key),
                          "%s of %d pixels is too small for the space: %s", uses[i].key,
                          uses[i].patch, inner.text);
    }
    return ok;
}

bool pipeline_check_images(const struct spec *spec, const struct space *space, const char *key,
                           const struct dataset *dataset, struct error *error) {
    int least_height = 1 << 30, least_width = 1 << 30;
    bool ok = true;
    for (size_t i = 0; ok && i < dataset->count; i++) {
        const struct image *low = &dataset->images[i].low;
        /* Only an image that is smaller in some direction than all before can fail anew. */
        if (low->height >= least_height && low->width >= least_width) continue;
        least_height = low->height < least_height ? low->height : least_height;
        least_width = low->width < least_width ? low->width : least_width;
        struct error inner = {0};
        if (!takes_size(space, low->height, low->width, &inner))
            ok = error_at(error, ERROR_DATA, spec_position(spec, key),
                          "%s: the image \"%s\" (%dx%d at low resolution) is too small for the "
                          "space: %s",
                          key, dataset->images[i].name, low->width, low->height, inner.text);
    }
    return ok;
}

bool pipeline_check_tests(const struct spec *spec, const struct space *space, struct error *error) {
    bool ok = true;
    for (int i = 0; i < spec->data.test.count; i++) {
        struct dataset dataset = {0};
        ok &= pipeline_open_data(spec, "data.test", spec->data.test.items[i], 0, &dataset, error) &&
              pipeline_check_images(spec, space, "data.test", &dataset, error);
        dataset_free(&dataset);
    }
    return ok;
}

bool pipeline_check_origin(const struct spec *spec, unsigned stages, struct error *error) {
    if (spec->retrain_from == 0 || !(stages & PIPELINE_RETRAIN)) return true;
    struct position position = spec_position(spec, "retrain.from");
    if (stages & PIPELINE_SEARCH) {
        const struct strategy *strategy = strategy_find(spec->search.strategy);
        return strategy->parameters ||
               error_at(error, ERROR_SPEC, position,
                        "retrain.from is supernet, but the strategy \"%s\" has none",
                        strategy->name);
    }
    char *supernet = path_join(spec->out, SEARCH_SUPERNET);
    bool ok =
        file_exists(supernet) ||
        error_at(error, ERROR_SPEC, position,
                 "retrain.from is supernet, but there is no \"%s\"; retrain within the run of "
                 "the search, or use scratch",
                 supernet);
    memory_free(supernet);
    return ok;
}

bool pipeline_check_strategies(const struct search *search, const char *key,
                               const char *const *names, size_t count, unsigned stages,
                               struct error *error) {
    struct spec own = *search->spec;
    struct search with_own = *search;
    bool ok = true;
    with_own.spec = &own;
    for (size_t i = 0; i < sizeof own.positions / sizeof *own.positions; i++)
        own.positions[i] = spec_position(search->spec, key);
    for (size_t i = 0; i < count; i++) {
        own.search.strategy = names[i];
        ok &= pipeline_check_origin(&own, stages, error) && strategy_check(&with_own, error);
    }
    return ok;
}
