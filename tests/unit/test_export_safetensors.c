/* Quantized weights in safetensors: levels times steps are the weights, rounded. */
#include "core/file.h"
#include "core/log.h"
#include "core/safetensors.h"
#include "eval/export_safetensors.h"
#include "eval/quantized_conv.h"
#include "tests/support/integers.h"
#include "tests/support/temporary.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct safetensor *tensor_of(const struct safetensors *file, const char *site,
                                          const char *what) {
    char name[PARAMETER_NAME_BYTES];
    snprintf(name, sizeof name, "%s.%s", site, what);
    const struct safetensor *tensor = safetensors_find(file, name);
    if (!tensor) fail_msg("there is no %s", name);
    return tensor;
}

static int bits_of(const struct safetensors *file, const char *site, const char *what) {
    char name[PARAMETER_NAME_BYTES];
    snprintf(name, sizeof name, "%s.%s", site, what);
    const char *text = json_string_value(json_object_get(file->metadata, name));
    if (!text) fail_msg("the metadata have no %s", name);
    return atoi(text);
}

static void check_site(const struct network *network, const struct network_site *site,
                       const struct safetensors *file) {
    const struct safetensor *levels = tensor_of(file, site->name, "weight");
    const struct safetensor *scales = tensor_of(file, site->name, "weight_scale");
    struct shape shape = network->parameters->items[site->weight].shape;
    const float *weight = parameter_values(network->parameters, site->weight);
    int bits = bits_of(file, site->name, "weight_bits"), half = 1 << (bits - 1);
    assert_int_equal(bits, site->weight_bits);
    assert_int_equal(levels->type, SAFETENSORS_I8);
    assert_int_equal(levels->shape[0], shape.n);
    assert_int_equal(levels->shape[1], shape.c);
    assert_int_equal(levels->shape[2], shape.h);
    assert_int_equal(levels->shape[3], shape.w);
    assert_int_equal(scales->elements, shape.n);
    size_t at = 0;
    for (int o = 0; o < shape.n; o++)
        for (int y = 0; y < shape.h; y++)
            for (int x = 0; x < shape.w; x++)
                for (int i = 0; i < shape.c; i++, at++) {
                    int64_t place = ((int64_t)(o * shape.c + i) * shape.h + y) * shape.w + x;
                    double level = safetensor_value(levels, place);
                    double wanted = (double)weight[at] / safetensor_value(scales, o);
                    wanted = fmin(fmax(wanted, -half), half - 1);
                    if (!(fabs(level - wanted) <= 0.5001))
                        fail_msg("%s: level %g instead of %g", site->name, level, wanted);
                }
    double zero = safetensor_value(tensor_of(file, site->name, "input_zero_point"), 0);
    assert_true(zero >= 0 && zero < 1 << bits_of(file, site->name, "input_bits"));
    assert_true(safetensor_value(tensor_of(file, site->name, "input_scale"), 0) > 0);
}

static void levels_are_the_rounded_weights(void **state) {
    struct error error = {0};
    struct integers integers;
    const char *path = temporary_path(state, "levels.safetensors");
    integers_open(&integers, "hybrid_small", 0, 1);
    json_t *metadata = json_object();
    assert_true(export_safetensors_write(integers.network, metadata, path, &error));
    struct safetensors file;
    assert_true(safetensors_read(path, &file, &error));
    int sites = 0;
    for (int i = 0; i < integers.network->site_count; i++) {
        if (!quantized_conv_is(integers.network, i)) continue;
        check_site(integers.network, &integers.network->sites[i], &file);
        sites++;
    }
    assert_true(sites > 4);
    /* Besides, all that is no part of a quantizer, and nothing else. */
    size_t own = 0;
    for (size_t i = 0; i < file.count; i++)
        own += file.tensors[i].type == SAFETENSORS_F32 &&
               parameters_find(integers.parameters, file.tensors[i].name) >= 0;
    assert_int_equal(file.count, own + 4 * (size_t)sites);
    safetensors_free(&file);
    json_decref(metadata);
    integers_close(&integers);
}

static void numbers_that_are_not_finite_are_refused(void **state) {
    struct error error = {0};
    struct integers integers;
    const char *path = temporary_path(state, "refused.safetensors");
    integers_open(&integers, "rfdn_small", 8, 1);
    json_t *metadata = json_object();
    for (int i = 0; i < integers.network->site_count; i++)
        if (quantized_conv_is(integers.network, i))
            parameter_values(integers.parameters, integers.network->sites[i].weight)[0] = NAN;
    assert_false(export_safetensors_write(integers.network, metadata, path, &error));
    assert_true(error_is_set(&error));
    assert_false(file_exists(path));
    json_decref(metadata);
    integers_close(&integers);
}

int main(void) {
    log_set_level(LOG_QUIET);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(levels_are_the_rounded_weights, temporary_setup,
                                        temporary_teardown),
        cmocka_unit_test_setup_teardown(numbers_that_are_not_finite_are_refused, temporary_setup,
                                        temporary_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
