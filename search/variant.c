#include "search/variant.h"
#include "core/file.h"
#include "core/log.h"
#include "core/memory.h"
#include "eval/quantization.h"
#include "search/quantize_spec.h"
#include <stdio.h>
#include <string.h>

static struct variant *add(struct variants *variants, const struct architecture *architecture) {
    struct variant *variant = &variants->items[variants->count++];
    *variant = (struct variant){.architecture = architecture_copy(architecture), .origin = -1};
    return variant;
}

static void add_float(struct variants *variants, const struct architecture *architecture,
                      bool searched) {
    struct variant *variant = add(variants, architecture);
    variant->floating = true;
    variant->searched = searched;
    variant->kind = searched ? RESULT_SEARCHED : RESULT_FIXED;
    variant->pipeline_stage = searched ? PIPELINE_RETRAIN : PIPELINE_BASELINES;
    snprintf(variant->id, sizeof variant->id, "%s", searched ? "searched" : "fixed");
    snprintf(variant->name, sizeof variant->name, "%s, 32 bit",
             searched ? "searched" : "best fixed");
    snprintf(variant->stage, sizeof variant->stage, "%s", searched ? "retrain" : "retrain-fixed");
    snprintf(variant->file, sizeof variant->file, "%s",
             searched ? RUN_WEIGHTS : RUN_CHECKPOINT "/fixed.weights.safetensors");
}

/* Takes back the last variant if it is one that is there already: where the space fixes all bits,
 * or the search chose these. */
static void drop_repeated(struct variants *variants) {
    const struct variant *last = &variants->items[variants->count - 1];
    for (int i = 0; i + 1 < variants->count; i++) {
        const struct variant *other = &variants->items[i];
        if (other->origin != last->origin || other->floating ||
            !architecture_equal(other->architecture, last->architecture))
            continue;
        log_debug("%s is the same network as %s", last->name, other->name);
        architecture_free(last->architecture);
        variants->count--;
        return;
    }
}

/* `bits` 0: those of the architecture itself. */
static bool add_quantized(const struct spec *spec, struct variants *variants, int origin, int bits,
                          struct error *error) {
    bool searched = variants->items[origin].searched;
    struct variant *variant = add(variants, variants->items[origin].architecture);
    variant->origin = origin;
    variant->searched = searched;
    variant->kind = searched ? RESULT_QUANTIZED : RESULT_FIXED;
    variant->pipeline_stage = searched ? PIPELINE_QUANTIZE : PIPELINE_BASELINES;
    if (!bits) {
        snprintf(variant->id, sizeof variant->id, "quantized");
        snprintf(variant->name, sizeof variant->name, "searched, quantized");
        snprintf(variant->stage, sizeof variant->stage, "quantize");
        snprintf(variant->file, sizeof variant->file, RUN_QUANTIZED);
        return true;
    }
    snprintf(variant->id, sizeof variant->id, "%s-%d", searched ? "searched" : "fixed", bits);
    snprintf(variant->name, sizeof variant->name, "%s, %d bit",
             searched ? "searched" : "best fixed", bits);
    snprintf(variant->stage, sizeof variant->stage, "quantize-%s%d", searched ? "" : "fixed-",
             bits);
    snprintf(variant->file, sizeof variant->file, RUN_CHECKPOINT "/%s-%d.weights.safetensors",
             searched ? "searched" : "fixed", bits);
    if (architecture_set_bits(variant->architecture, bits)) {
        drop_repeated(variants);
        return true;
    }
    const char *key = searched ? "quantize.bits" : "baselines.bits";
    return error_at(error, ERROR_SPEC, spec_position(spec, key),
                    "%s asks for %d bits, which a slot of the space \"%s\" does not offer", key,
                    bits, spec->space);
}

/* A space without choices has no fixed architecture besides itself. */
static bool is_only_one(const struct architecture *architecture) {
    return space_size(architecture->space) <= 1;
}

bool variants_create(const struct spec *spec, const struct architecture *searched,
                     const struct architecture *fixed, struct variants *variants,
                     struct error *error) {
    memset(variants, 0, sizeof *variants);
    bool ok = true;
    add_float(variants, searched, true);
    ok &= add_quantized(spec, variants, 0, 0, error);
    for (int i = 0; i < spec->quantize_bits.count; i++)
        ok &= add_quantized(spec, variants, 0, spec->quantize_bits.items[i], error);
    if (fixed && spec->baseline_fixed && !is_only_one(fixed)) {
        int origin = variants->count;
        add_float(variants, fixed, false);
        for (int i = 0; i < spec->baseline_bits.count; i++)
            ok &= add_quantized(spec, variants, origin, spec->baseline_bits.items[i], error);
    }
    return ok;
}

void variants_free(struct variants *variants) {
    for (int i = 0; i < variants->count; i++)
        architecture_free(variants->items[i].architecture);
    variants->count = 0;
}

/* The kinds that a file of weights holds. */
enum { TRAINED = 1 << PARAMETER_WEIGHT | 1 << PARAMETER_STATE };

static const char *checksum_text(const struct parameters *parameters, char text[16]) {
    snprintf(text, 16, "%08x", (unsigned)parameters_checksum(parameters, TRAINED));
    return text;
}

/* Files of others have none, and a supernet's is of more than one network. */
static bool checksum_holds(const struct parameters *parameters, const char *path,
                           struct error *error) {
    struct safetensors file;
    char text[16];
    if (!safetensors_read(path, &file, error)) return false;
    const char *wanted = json_string_value(json_object_get(file.metadata, "weights_crc32c"));
    bool ok = !wanted || strcmp(wanted, checksum_text(parameters, text)) == 0 ||
              error_add(error, ERROR_DATA,
                        "%s: the checksum of the weights does not hold; the file is damaged", path);
    safetensors_free(&file);
    return ok;
}

struct parameters *variant_load(const struct architecture *architecture,
                                enum network_precision precision, const char *path,
                                struct error *error) {
    struct parameters *parameters =
        derived_parameters(architecture->space, architecture, precision, 0, error);
    if (parameters && (!parameters_read(parameters, TRAINED, path, error) ||
                       !checksum_holds(parameters, path, error))) {
        parameters_free(parameters);
        return NULL;
    }
    return parameters;
}

struct parameters *variant_import(const struct architecture *architecture, const char *path,
                                  struct parameter_renaming renaming, struct error *error) {
    struct parameters *parameters =
        derived_parameters(architecture->space, architecture, NETWORK_FLOAT, 0, error);
    if (parameters && !parameters_read_renamed(parameters, TRAINED, path, renaming, error)) {
        parameters_free(parameters);
        return NULL;
    }
    return parameters;
}

static struct parameters *float_parameters(const struct spec *spec, const struct variant *variant,
                                           const struct run *run, struct error *error) {
    char *supernet = run_path(run, SEARCH_SUPERNET);
    bool warm = spec->retrain_from == 1; /* a missing file is an error that names it */
    struct parameters *parameters =
        warm ? variant_load(variant->architecture, NETWORK_FLOAT, supernet, error)
             : derived_parameters(variant->architecture->space, variant->architecture,
                                  NETWORK_FLOAT, (uint64_t)spec->seed, error);
    memory_free(supernet);
    return parameters;
}

/* The finished network; `job` is its fine-tuning. */
static struct parameters *quantized_parameters(const struct spec *spec,
                                               const struct variants *variants,
                                               const struct variant *variant,
                                               const struct dataset *train, const struct run *run,
                                               const struct trainer_job *job,
                                               struct loop_summary *summary, struct error *error) {
    const struct space *space = variant->architecture->space;
    char *path = run_path(run, variants->items[variant->origin].file);
    struct parameters *trained = variant_load(variant->architecture, NETWORK_FLOAT, path, error);
    memory_free(path);
    if (!trained) return NULL;
    struct sampler_spec sampling = {.patch = spec->quantize.patch,
                                    .half = SAMPLER_ALL,
                                    .seed = (uint64_t)spec->seed,
                                    .range = (float)space_range(space)};
    struct sampler sampler;
    struct quantization work = {.source = {space, variant->architecture, trained, &sampler,
                                           spec->quantize.batch, spec->calibration_batches},
                                .settings = quantize_spec_settings(spec),
                                .training = job};
    const struct quantization_method *method =
        job->settings->steps > 0 ? &quantization_fine_tuning : &quantization_calibration;
    struct parameters *parameters = NULL;
    if (sampler_create(train, &sampling, &sampler, error))
        parameters = quantization_run(method, &work, error);
    *summary = work.summary;
    sampler_free(&sampler);
    parameters_free(trained);
    return parameters;
}

json_t *variant_metadata(const struct architecture *architecture, bool floating,
                         const struct parameters *parameters) {
    char checksum[16], scale[16], weights[16];
    const struct space *space = architecture->space;
    snprintf(checksum, sizeof checksum, "%08x", (unsigned)space_checksum(space));
    snprintf(scale, sizeof scale, "%d", space_effective_settings(space)->scale);
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "space", space_name(space), "checksum", checksum,
                     "scale", scale, "precision", floating ? "float32" : "quantized",
                     "weights_crc32c", checksum_text(parameters, weights));
}

bool variant_write(const struct architecture *architecture, bool floating,
                   const struct parameters *parameters, const char *path, struct error *error) {
    json_t *metadata = variant_metadata(architecture, floating, parameters);
    bool ok = parameters_write(parameters, TRAINED, path, metadata, error);
    json_decref(metadata);
    return ok;
}

bool variant_train(const struct spec *spec, const struct variants *variants, int index,
                   const struct dataset *train, const struct run *run, struct journal *journal,
                   bool resume, struct error *error) {
    const struct variant *variant = &variants->items[index];
    if (resume && run_has(run, variant->file)) {
        log_info("%s: %s is there already", variant->name, variant->file);
        return true;
    }
    char name[96], title[96];
    snprintf(name, sizeof name, RUN_CHECKPOINT "/%s.safetensors", variant->stage);
    snprintf(title, sizeof title, "%s (%s)", variant->floating ? "retrain" : "quantize",
             variant->name);
    char *checkpoint = run_path(run, name), *path = run_path(run, variant->file);
    struct loop_settings loop = spec_loop_settings(spec, checkpoint, journal, resume);
    struct training_settings settings = variant->floating ? spec->retrain : spec->quantize;
    if (!variant->floating) settings.steps = quantize_spec_steps(spec, train->count);
    struct trainer_job job = {.stage = variant->stage,
                              .title = title,
                              .space = variant->architecture->space,
                              .architecture = variant->architecture,
                              .precision = NETWORK_FLOAT,
                              .dataset = train,
                              /* Fine-tuning sees other patches first than retraining did. */
                              .seed = (uint64_t)spec->seed + (variant->floating ? 0 : 1),
                              .calibration_batches = spec->calibration_batches,
                              .settings = &settings,
                              .loop = &loop};
    struct loop_summary summary = {0};
    struct parameters *parameters = NULL;
    bool ok;
    if (variant->floating) {
        job.parameters = parameters = float_parameters(spec, variant, run, error);
        ok = parameters && trainer_run(&job, &summary, error);
    } else {
        parameters =
            quantized_parameters(spec, variants, variant, train, run, &job, &summary, error);
        ok = parameters != NULL;
    }
    ok = ok && variant_write(variant->architecture, variant->floating, parameters, path, error) &&
         journal_write(journal, "trained",
                       json_pack("{s:s, s:s, s:I, s:f, s:f}", "network", variant->name, "during",
                                 variant->stage, "steps", (json_int_t)summary.steps, "seconds",
                                 summary.seconds, "macs", summary.macs),
                       error);
    if (parameters) parameters_free(parameters);
    memory_free(checkpoint);
    memory_free(path);
    return ok;
}

/* "32", "8", or "mixed 4/8 (5.3)" with the mean weighted by MACs, over the quantized convolutions.
 */
static const char *bits_text(const struct architecture *architecture, bool floating,
                             struct arena *arena) {
    if (floating) return "32";
    struct error ignored = {0};
    struct parameters *parameters = parameters_create();
    struct network_options options = {.batch = 1,
                                      .height = 64,
                                      .width = 64,
                                      .precision = NETWORK_QUANTIZED,
                                      .architecture = architecture};
    struct network *network = network_build(architecture->space, parameters, &options, &ignored);
    const char *text = "?";
    if (network) {
        bool seen[33] = {false};
        double macs = 0, weighted = 0;
        for (int i = 0; i < network->site_count; i++) {
            const struct network_site *site = &network->sites[i];
            int bits = site->weight_bits > 0 && site->weight_bits < 32 ? site->weight_bits : 32;
            seen[bits] = true;
            macs += site->macs;
            weighted += site->macs * bits;
        }
        const char *list = "";
        int distinct = 0;
        for (int bits = 1; bits <= 32; bits++)
            if (seen[bits]) {
                list = arena_format(arena, "%s%s%d", list, distinct ? "/" : "", bits);
                distinct++;
            }
        text = distinct > 1 ? arena_format(arena, "mixed %s (%.1f)", list, weighted / macs) : list;
        network_free(network);
    }
    parameters_free(parameters);
    return text;
}

bool variant_measure(const struct variant_row *row, struct result_list *results,
                     struct error *error) {
    size_t index = results->count;
    struct result *result = result_add(results, row->kind, row->name);
    struct arena *arena = &results->arena;
    result->name = arena_copy(arena, row->name);
    result->data = arena_copy(arena, row->data);
    if (!row->parameters)
        return evaluator_measure(NULL, row->dataset, results, index, row->visit, row->context,
                                 error);
    struct cost cost = cost_of(row->cost, row->architecture, row->floating);
    char *text = architecture_text(row->architecture);
    result->architecture = arena_copy(arena, text);
    memory_free(text);
    result->bits = bits_text(row->architecture, row->floating, arena);
    result->bitops = cost.bitops;
    result->macs = cost.macs;
    result->parameters = cost.parameters;
    result->bytes = cost.bytes;
    result->input =
        arena_format(arena, "%dx%d", cost_model_width(row->cost), cost_model_height(row->cost));
    result->coverage = "every convolution and matrix product; 32-bit parts count 32 * 32";
    struct evaluator evaluator =
        evaluator_create(row->architecture->space, row->architecture, row->parameters,
                         row->floating ? NETWORK_FLOAT : NETWORK_QUANTIZED);
    evaluator.integers = row->integers;
    bool ok = evaluator_measure(&evaluator, row->dataset, results, index, row->visit, row->context,
                                error);
    evaluator_free(&evaluator);
    return ok;
}
