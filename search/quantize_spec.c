#include "search/quantize_spec.h"
#include "results/text.h"
#include <string.h>

static const char own[] = "own";

static bool is_own(const char *name) {
    return strcmp(name, own) == 0;
}

static bool unknown(const struct spec *spec, const char *key, const char *what, const char *name,
                    const char *const *known, size_t count, struct error *error) {
    const char *nearest = error_nearest(name, known, count);
    struct text list = {0};
    for (size_t i = 0; i < count; i++)
        text_format(&list, "%s%s", i ? ", " : "", known[i]);
    if (nearest)
        error_at(error, ERROR_SPEC, spec_position(spec, key),
                 "unknown %s \"%s\"; did you mean \"%s\"?", what, name, nearest);
    else
        error_at(error, ERROR_SPEC, spec_position(spec, key), "unknown %s \"%s\"; it is one of %s",
                 what, name, list.data);
    text_free(&list);
    return false;
}

static bool check_quantizer(const struct spec *spec, const char *key, const char *name,
                            bool is_weight, struct error *error) {
    const char *names[33] = {own};
    size_t count = 1;
    const struct quantizer *quantizer = quantizer_find(name);
    for (int i = 0; i < quantizer_count && count < 33; i++)
        if (is_weight ? (const void *)quantizers[i]->weights : quantizers[i]->activations)
            names[count++] = quantizers[i]->name;
    if (is_own(name)) return true;
    if (!quantizer)
        return unknown(spec, key, is_weight ? "quantizer of weights" : "quantizer of activations",
                       name, names, count, error);
    return (is_weight ? quantizer->weights != NULL : quantizer->activations != NULL) ||
           error_at(error, ERROR_SPEC, spec_position(spec, key),
                    "the quantizer \"%s\" is not for %s; see `tamis list quantizers`", name,
                    is_weight ? "weights" : "activations");
}

static bool check_calibration(const struct spec *spec, struct error *error) {
    const char *names[16] = {own};
    size_t count = 1;
    for (int i = 0; i < quantizer_calibration_count && count < 16; i++)
        names[count++] = quantizer_calibrations[i]->name;
    const char *name = spec->quantization.calibration;
    return is_own(name) || quantizer_calibration_find(name) ||
           unknown(spec, "quantize.calibration", "calibration", name, names, count, error);
}

static bool check_width(const struct spec *spec, const char *key, int bits, struct error *error) {
    return (bits >= 2 && bits <= 8) || bits == 16 ||
           error_at(error, ERROR_SPEC, spec_position(spec, key),
                    "%s is %d, but a bit width is 2 to 8, or 16", key, bits);
}

bool quantize_spec_check(const struct spec *spec, struct error *error) {
    const struct spec_quantization *what = &spec->quantization;
    bool ok = check_quantizer(spec, "quantize.weights", what->weights, true, error);
    ok &= check_quantizer(spec, "quantize.activations", what->activations, false, error);
    ok &= check_calibration(spec, error);
    for (int i = 0; i < spec->quantize_bits.count; i++)
        ok &= check_width(spec, "quantize.bits", spec->quantize_bits.items[i], error);
    if (what->all_bits) ok &= check_width(spec, "quantize.all_bits", what->all_bits, error);
    return ok;
}

struct quantize_settings quantize_spec_settings(const struct spec *spec) {
    const struct spec_quantization *what = &spec->quantization;
    return (struct quantize_settings){
        .weights = is_own(what->weights) ? NULL : quantizer_find(what->weights),
        .activations = is_own(what->activations) ? NULL : quantizer_find(what->activations),
        .calibration =
            is_own(what->calibration) ? NULL : quantizer_calibration_find(what->calibration),
        .per_tensor = what->granularity == 1,
        .percentile = what->percentile};
}

bool quantize_spec_suits(const struct spec *spec, const struct space *space, struct error *error) {
    struct quantize_settings settings = quantize_spec_settings(spec);
    struct error inner = {0};
    if (quantize_check(space, &settings, &inner)) return true;
    const char *key = settings.calibration ? "quantize.calibration" : "quantize.activations";
    return error_at(error, inner.code, spec_position(spec, key), "%s", inner.text);
}

int quantize_spec_steps(const struct spec *spec, size_t images) {
    if (spec->quantization.epochs < 0) return spec->quantize.steps;
    size_t batch = (size_t)spec->quantize.batch;
    double steps = (double)((images + batch - 1) / batch) * spec->quantization.epochs;
    return steps < 1e9 ? (int)steps : (int)1e9;
}
