/* The run spec: defaults, settings given in a file and with --set, errors with their positions. */
#include "core/file.h"
#include "core/memory.h"
#include "search/spec.h"
#include "tests/support/temporary.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Reads `text` as the file "spec.yaml" of the test's folder, which is the working folder. */
static bool read_text(struct spec *spec, const char *text, struct error *error) {
    struct error own = {0};
    assert_true(file_write("spec.yaml", text, strlen(text), &own));
    return spec_read(spec, "spec.yaml", NULL, 0, error);
}

static struct spec good_spec(const char *text) {
    struct error error = {0};
    struct spec spec;
    if (!read_text(&spec, text, &error)) print_error("%s\n", error.text);
    assert_int_equal(error.count, 0);
    return spec;
}

static char outside[4096];

static int enter_folder(void **state) {
    if (!getcwd(outside, sizeof outside) || temporary_setup(state) != 0) return -1;
    return chdir(*state);
}

static int leave_folder(void **state) {
    return chdir(outside) || temporary_teardown(state);
}

static void without_a_file_all_settings_have_their_defaults(void **state) {
    (void)state;
    struct error error = {0};
    struct spec spec;
    assert_true(spec_read(&spec, NULL, NULL, 0, &error));
    assert_string_equal(spec.name, "run");
    assert_string_equal(spec.out, "runs/run");
    assert_string_equal(spec.search.strategy, "quantnas");
    assert_int_equal(spec.scale, 4);
    assert_int_equal(spec.seed, 1);
    assert_int_equal(spec.search.epochs, 20);
    assert_int_equal(spec.search.warm_up, 9);
    assert_int_equal(spec.search.weights.steps, 2000);
    assert_true(spec.search.weights.learning_rate == 1e-3);
    assert_true(spec.search.weights.warm_up == 0);
    assert_true(spec.search.weights.clip == 5);
    assert_true(spec.search.alpha_learning_rate == 3e-4);
    assert_true(spec.search.alpha_beta1 == 0.5);
    assert_int_equal(spec.search.entropy_schedule, ENTROPY_QUANTNAS);
    assert_int_equal(spec.data.test.count, 0);
    assert_int_equal(spec.quantize_bits.count, 0);
    assert_int_equal(spec.baseline_bits.count, 2);
    assert_int_equal(spec.baseline_bits.items[1], 8);
    assert_true(spec.baseline_fixed);
    assert_true(spec.retrain.augment);
    assert_int_equal(spec.let_count, 0);
    spec_free(&spec);
}

static void a_file_changes_what_it_names(void **state) {
    (void)state;
    struct spec spec = good_spec("name: mine\n"
                                 "seed: 7\n"
                                 "let: {width: 24, ratio: 0.5}\n"
                                 "data: {test: [a, b], train: photos}\n"
                                 "search:\n"
                                 "  epochs: 3\n"
                                 "  steps_per_epoch: 10\n"
                                 "  warm_up: 0\n"
                                 "  quantization: direct\n"
                                 "  optimizer: sgd\n"
                                 "  max_macs: .inf\n"
                                 "retrain: {augment: false, from: supernet}\n"
                                 "quantize: {bits: 4}\n"
                                 "baselines:\n"
                                 "log: {}\n");
    assert_string_equal(spec.name, "mine");
    assert_string_equal(spec.out, "runs/mine");
    assert_int_equal(spec.seed, 7);
    assert_int_equal(spec.let_count, 2);
    assert_string_equal(spec.let_names[1], "ratio");
    assert_true(spec.let_values[1] == 0.5);
    assert_int_equal(spec.let_positions[1].line, 3);
    assert_int_equal(spec.data.test.count, 2);
    assert_string_equal(spec.data.test.items[1], "b");
    assert_string_equal(spec.data.train, "photos");
    assert_int_equal(spec.search.weights.steps, 30);
    assert_int_equal(spec.search.precision, 1);
    assert_int_equal(spec.search.weights.optimizer, OPTIMIZER_SGD);
    assert_false(spec.retrain.augment);
    assert_int_equal(spec.retrain_from, 1);
    assert_int_equal(spec.quantize_bits.count, 1);
    assert_int_equal(spec.quantize_bits.items[0], 4);
    assert_true(spec.baseline_fixed);
    struct position position = spec_position(&spec, "search.epochs");
    assert_string_equal(position.file, "spec.yaml");
    assert_int_equal(position.line, 6);
    assert_int_equal(position.column, 11);
    position = spec_position(&spec, "search.batch");
    assert_string_equal(position.file, "spec.yaml");
    assert_int_equal(position.line, 0);
    spec_free(&spec);
}

static void set_comes_after_the_file(void **state) {
    (void)state;
    struct error error = {0};
    const char text[] = "search: {epochs: 3, warm_up: 1}\nquantize: {bits: [4, 8]}\n";
    assert_true(file_write("spec.yaml", text, sizeof text - 1, &error));
    const char *const overrides[] = {
        "search.epochs=5",       "seed=9",       "quantize.bits.1=6", "out=elsewhere/here",
        "baselines.fixed=false", "let.width=12", "data.test=[x, y]",  "name=\"17\""};
    struct spec spec;
    assert_true(spec_read(&spec, "spec.yaml", overrides, 8, &error));
    assert_int_equal(spec.search.epochs, 5);
    assert_int_equal(spec.search.warm_up, 1);
    assert_int_equal(spec.seed, 9);
    assert_int_equal(spec.quantize_bits.items[0], 4);
    assert_int_equal(spec.quantize_bits.items[1], 6);
    assert_string_equal(spec.out, "elsewhere/here");
    assert_false(spec.baseline_fixed);
    assert_int_equal(spec.let_count, 1);
    assert_true(spec.let_values[0] == 12);
    assert_string_equal(spec.data.test.items[0], "x");
    assert_string_equal(spec.name, "17");
    spec_free(&spec);
}

struct bad {
    const char *text;
    const char *error; /* its first sentence begins so */
};

static const struct bad bad_specs[] = {
    {"- a\n", "spec.yaml:1:1: the spec must be a map of settings, but is a list"},
    {"sed: 3\n", "spec.yaml:1:1: unknown setting \"sed\"; did you mean \"seed\"?"},
    {"serach: {epochs: 3}\n",
     "spec.yaml:1:1: unknown setting \"serach\"; did you mean \"search\"?"},
    {"search: {epocs: 3}\n",
     "spec.yaml:1:10: unknown setting \"search.epocs\"; did you mean \"epochs\"?"},
    {"search:\n  alpha: 3\n",
     "spec.yaml:2:3: unknown setting \"search.alpha\"; `tamis list settings` names them all"},
    {"retrain: {epochs: 3}\n", "spec.yaml:1:11: unknown setting \"retrain.epochs\"; `tamis list"},
    {"search: {learning_rate: {a: 1}}\n", "spec.yaml:1:25: expected a number, found a map"},
    {"search: 3\n", "spec.yaml:1:9: search must be a map of settings, but is the number 3"},
    {"search: [epochs]\n", "spec.yaml:1:9: search must be a map of settings, but is a list"},
    {"seed: three\n", "spec.yaml:1:7: expected a whole number, found the text \"three\""},
    {"seed: 3.5\n", "spec.yaml:1:7: expected a whole number, found the number 3.5"},
    {"seed: -1\n", "spec.yaml:1:7: seed is -1, but must be between 0 and 2147483647"},
    {"seed: \"3\"\n", "spec.yaml:1:7: expected a whole number, found the text \"3\""},
    {"seed: 99999999999\n",
     "spec.yaml:1:7: seed is 99999999999, but must be between 0 and 2147483647"},
    {"seed:\n", "spec.yaml:1:6: expected a whole number, found nothing"},
    {"scale: 17\n", "spec.yaml:1:8: scale is 17, but must be between 1 and 16"},
    {"space: [a]\n", "spec.yaml:1:8: expected a text, found a list"},
    {"space: {a: 1}\n", "spec.yaml:1:8: expected a text, found a map"},
    {"search: {learning_rate: fast}\n",
     "spec.yaml:1:25: expected a number, found the text \"fast\""},
    {"search: {learning_rate: 0}\n",
     "spec.yaml:1:25: search.learning_rate is 0, but must be between 1e-09 and 10"},
    {"search: {learning_rate: .nan}\n",
     "spec.yaml:1:25: expected a number, found the text \".nan\""},
    {"search: {warm_up: 1.5}\n", "spec.yaml:1:19: expected a whole number, found the number 1.5"},
    {"search: {epochs: 5, warm_up: 5}\n",
     "spec.yaml:1:30: search.warm_up is 5 epochs, but the search has only 5"},
    {"search: {epochs: 100000, steps_per_epoch: 100000}\n",
     "spec.yaml:1:18: search.epochs times search.steps_per_epoch is more than 1e9 steps"},
    {"search: {strategy: quantas}\n",
     "spec.yaml:1:20: unknown strategy \"quantas\"; did you mean \"quantnas\"?"},
    {"search: {strategy: simulated annealing}\n",
     "spec.yaml:1:20: unknown strategy \"simulated annealing\"; `tamis list strategies` names "
     "them"},
    {"search: {quantization: nois}\n", "spec.yaml:1:24: search.quantization cannot be \"nois\"; it "
                                       "is one of noise, direct, none; did you mean \"noise\"?"},
    {"search: {quantization: 4}\n",
     "spec.yaml:1:24: search.quantization cannot be \"4\"; it is one of noise, direct, none"},
    {"search: {optimizer: [adam]}\n", "spec.yaml:1:21: expected a text, found a list"},
    {"retrain: {augment: yes}\n",
     "spec.yaml:1:20: expected true or false, found \"yes\"; write true"},
    {"retrain: {augment: 1}\n", "spec.yaml:1:20: expected true or false, found the number 1"},
    {"quantize: {bits: [4, 9]}\n",
     "spec.yaml:1:18: quantize.bits is 9, but a bit width is 2 to 8, or 16"},
    {"quantize: {bits: [4, 17]}\n",
     "spec.yaml:1:22: quantize.bits is 17, but must be between 2 and 16"},
    {"quantize: {all_bits: 12}\n",
     "spec.yaml:1:22: quantize.all_bits is 12, but a bit width is 2 to 8, or 16"},
    {"quantize: {weights: lqs}\n",
     "spec.yaml:1:21: unknown quantizer of weights \"lqs\"; did you mean \"lsq\"?"},
    {"quantize: {weights: pact}\n",
     "spec.yaml:1:21: the quantizer \"pact\" is not for weights; see `tamis list quantizers`"},
    {"quantize: {activations: dorefa}\n",
     "spec.yaml:1:25: the quantizer \"dorefa\" is not for activations; see `tamis list "
     "quantizers`"},
    {"quantize: {activations: noise}\n",
     "spec.yaml:1:25: the quantizer \"noise\" is not for activations; see `tamis list "
     "quantizers`"},
    {"quantize: {calibration: squares}\n", "spec.yaml:1:25: unknown calibration \"squares\"; it is "
                                           "one of own, equalized, least_squares, min_max, "
                                           "percentile"},
    {"quantize: {calibration: minmax}\n",
     "spec.yaml:1:25: unknown calibration \"minmax\"; did you mean \"min_max\"?"},
    {"quantize: {granularity: layer}\n",
     "spec.yaml:1:25: quantize.granularity cannot be \"layer\"; it is one of channel, tensor"},
    {"quantize: {percentile: 101}\n",
     "spec.yaml:1:24: quantize.percentile is 101, but must be between 50 and 100"},
    {"quantize: {bits: [4, four]}\n",
     "spec.yaml:1:22: expected a whole number, found the text \"four\""},
    {"quantize: {bits: {4: 8}}\n", "spec.yaml:1:18: expected a whole number, found a map"},
    {"baselines: {bits: [2,3,4,5,6,7,8,2,3,4,5,6,7,8,2,3,4]}\n",
     "spec.yaml:1:19: baselines.bits has 17 items; at most 16 are allowed"},
    {"data: {test: [a, {b: c}]}\n", "spec.yaml:1:18: expected a text, found a map"},
    {"name: a/b\n",
     "spec.yaml:1:7: the name of a run must not be empty nor hold a \"/\"; use `out` for a path"},
    {"name: \"\"\n", "spec.yaml:1:7: the name of a run must not be empty nor hold a \"/\""},
    {"let: 3\n", "spec.yaml:1:6: let must be a map of names and numbers, such as {w: 32}"},
    {"let: {width: wide}\n", "spec.yaml:1:14: expected a number, found the text \"wide\""},
    {"seed: 1\nseed: 2\n", "spec.yaml:2:1: the key \"seed\" stands already in line 1"},
    {"seed: [1\n", "spec.yaml:2:1: not valid YAML: did not find expected"},
};

static void every_error_is_a_sentence_with_its_position(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_specs / sizeof *bad_specs; i++) {
        struct error error = {0};
        struct spec spec;
        bool ok = read_text(&spec, bad_specs[i].text, &error);
        const char *wanted = bad_specs[i].error;
        if (ok || strncmp(error.text, wanted, strlen(wanted)) != 0)
            print_error("%s gives\n%s\n", bad_specs[i].text, ok ? "no error" : error.text);
        assert_false(ok);
        assert_int_equal(error.code, ERROR_SPEC);
        assert_int_equal(error.count, 1);
        assert_int_equal(strncmp(error.text, wanted, strlen(wanted)), 0);
    }
}

static const struct bad bad_overrides[] = {
    {"seed", "--set seed: a setting must read key.path=value"},
    {"=3", "--set =3: a setting must read key.path=value"},
    {"search..epochs=3", "--set search..epochs=3: the key path has an empty part"},
    {"sede=3", "--set sede=3: unknown setting \"sede\"; did you mean \"seed\"?"},
    {"search.epocs=3", "--set search.epocs=3: unknown setting \"search.epocs\"; did you mean"},
    {"seed=three", "--set seed=three: expected a whole number, found the text \"three\""},
    {"seed.a=3", "--set seed.a=3: \"a\" cannot be set inside of the number 1"},
    {"search.strategy=quantas", "--set search.strategy=quantas: unknown strategy \"quantas\""},
};

static void every_error_of_set_names_the_setting(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof bad_overrides / sizeof *bad_overrides; i++) {
        struct error error = {0};
        struct spec spec;
        const char *const overrides[] = {bad_overrides[i].text};
        assert_true(file_write("spec.yaml", "seed: 1\n", 8, &error));
        bool ok = spec_read(&spec, "spec.yaml", overrides, 1, &error);
        const char *wanted = bad_overrides[i].error;
        if (ok || strncmp(error.text, wanted, strlen(wanted)) != 0)
            print_error("%s gives\n%s\n", overrides[0], ok ? "no error" : error.text);
        assert_false(ok);
        assert_int_equal(error.code, ERROR_SPEC);
        assert_int_equal(strncmp(error.text, wanted, strlen(wanted)), 0);
    }
}

static void all_errors_come_in_one_go(void **state) {
    (void)state;
    struct error error = {0};
    struct spec spec;
    assert_false(
        read_text(&spec, "sede: 3\nsearch: {epocs: 2, batch: x}\nretrain: 7\nlet: 4\n", &error));
    assert_int_equal(error.count, 5);
    assert_non_null(strstr(error.text, "spec.yaml:1:1: "));
    assert_non_null(strstr(error.text, "spec.yaml:2:10: "));
    assert_non_null(strstr(error.text, "spec.yaml:2:27: "));
    assert_non_null(strstr(error.text, "spec.yaml:3:10: "));
    assert_non_null(strstr(error.text, "spec.yaml:4:6: "));
    /* What is good after them does not make up for them. */
    error_clear(&error);
    assert_false(read_text(&spec, "sede: 3\nlet: {a: 1}\nseed: 4\nsearch: {epochs: 12}\n", &error));
    assert_int_equal(error.count, 1);
}

static void a_missing_file_is_named(void **state) {
    (void)state;
    struct error error = {0};
    struct spec spec;
    assert_false(spec_read(&spec, "nowhere.yaml", NULL, 0, &error));
    assert_int_equal(error.code, ERROR_SPEC);
    assert_non_null(strstr(error.text, "nowhere.yaml"));
}

/* What is written reads back to the same settings, and to the same text. */
static void check_round_trip(struct spec *spec) {
    char *text = spec_text(spec);
    struct spec again = good_spec(text);
    char *text_again = spec_text(&again);
    assert_string_equal(text, text_again);
    for (int i = 0; i < spec_setting_count; i++) {
        const struct spec_setting *setting = &spec_settings[i];
        const void *a = (char *)spec + setting->offset, *b = (char *)&again + setting->offset;
        const struct spec_texts *texts = a, *texts_again = b;
        switch (setting->kind) {
        case SPEC_INTEGER:
        case SPEC_CHOICE:
            assert_int_equal(*(const int *)a, *(const int *)b);
            break;
        case SPEC_REAL:
        case SPEC_BYTES:
            assert_true(*(const double *)a == *(const double *)b);
            break;
        case SPEC_BOOLEAN:
            assert_true(*(const bool *)a == *(const bool *)b);
            break;
        case SPEC_TEXT:
            assert_string_equal(*(const char *const *)a, *(const char *const *)b);
            break;
        case SPEC_TEXTS:
            assert_int_equal(texts->count, texts_again->count);
            for (int j = 0; j < texts->count; j++)
                assert_string_equal(texts->items[j], texts_again->items[j]);
            break;
        case SPEC_INTEGERS:
            assert_memory_equal(a, b, sizeof(struct spec_integers));
            break;
        }
    }
    assert_int_equal(again.let_count, spec->let_count);
    for (int i = 0; i < spec->let_count; i++) {
        assert_string_equal(again.let_names[i], spec->let_names[i]);
        assert_true(again.let_values[i] == spec->let_values[i]);
    }
    memory_free(text);
    memory_free(text_again);
    spec_free(&again);
}

static void the_text_of_a_spec_reads_back_to_the_same_spec(void **state) {
    (void)state;
    struct error error = {0};
    struct spec spec;
    assert_true(spec_read(&spec, NULL, NULL, 0, &error));
    check_round_trip(&spec);
    spec_free(&spec);
    spec = good_spec("name: \"it's #1: \\\"a\\\\b\\\"\\t\"\n"
                     "space: \"null\"\n"
                     "out: 'a: b'\n"
                     "let: {width: 24, ratio: 0.1, third: 0.3333333333333333}\n"
                     "data: {train: \"true\", test: [\"1\", 'caf\u00e9', leaves]}\n"
                     "search: {max_macs: .inf, learning_rate: 1.0000000000000002e-3, "
                     "entropy_schedule: linear, optimizer: adamw, clip: 0.1}\n"
                     "retrain: {augment: false, average: 0.999, from: supernet}\n"
                     "quantize: {bits: [3, 5]}\n");
    check_round_trip(&spec);
    spec_free(&spec);
}

static void numbers_are_written_in_their_shortest_form(void **state) {
    (void)state;
    static const char *const forms[] = {"60",   "0.05", "3e-08",  "1e+12", "250.5",
                                        "1000", "20",   "123456", "0",     "629145600"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        char text[64], line[64];
        snprintf(text, sizeof text, "search: {max_macs: %s}\n", forms[i]);
        snprintf(line, sizeof line, "\n  max_macs: %s\n", forms[i]);
        struct spec spec = good_spec(text);
        char *written = spec_text(&spec);
        if (!strstr(written, line)) print_error("no %s in %s", line, written);
        assert_non_null(strstr(written, line));
        memory_free(written);
        spec_free(&spec);
    }
}

static void every_setting_is_documented_once(void **state) {
    (void)state;
    assert_true(spec_setting_count <= (int)(sizeof((struct spec *)0)->positions /
                                            sizeof((struct spec *)0)->positions[0]));
    for (int i = 0; i < spec_setting_count; i++) {
        const struct spec_setting *setting = &spec_settings[i];
        assert_true(strlen(setting->meaning) > 10);
        assert_true((setting->kind == SPEC_CHOICE) == (setting->choices != NULL));
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(setting->key, spec_settings[j].key);
            assert_int_not_equal(setting->offset, spec_settings[j].offset);
        }
    }
}

/* Every setting takes its own values from the file: none is read into another's place. */
static void every_setting_can_be_set(void **state) {
    (void)state;
    for (int i = 0; i < spec_setting_count; i++) {
        const struct spec_setting *setting = &spec_settings[i];
        char override[200];
        switch (setting->kind) {
        case SPEC_INTEGER:
        case SPEC_REAL:
        case SPEC_BYTES:
            snprintf(override, sizeof override, "%s=%.17g", setting->key,
                     setting->minimum > 0 ? setting->minimum : 0);
            break;
        case SPEC_BOOLEAN:
            snprintf(override, sizeof override, "%s=%s", setting->key,
                     strcmp(setting->initial, "true") == 0 ? "false" : "true");
            break;
        case SPEC_TEXT:
            snprintf(override, sizeof override, "%s=%s", setting->key,
                     strncmp(setting->key, "quantize.", 9) == 0 ? "percentile" : "random");
            break;
        case SPEC_CHOICE:
            snprintf(override, sizeof override, "%s=%s", setting->key, setting->choices[1]);
            break;
        case SPEC_TEXTS:
            snprintf(override, sizeof override, "%s=[%s]", setting->key,
                     strcmp(setting->key, "rank.proxies") == 0 ? "macs" : "random");
            break;
        case SPEC_INTEGERS:
            snprintf(override, sizeof override, "%s=[3]", setting->key);
            break;
        }
        const char *const overrides[] = {override, "search.warm_up=0", "scale=1"};
        bool alone = strcmp(setting->key, "search.warm_up") != 0 && strcmp(setting->key, "scale");
        struct error error = {0};
        struct spec spec;
        if (!spec_read(&spec, NULL, overrides, alone ? 3 : 1, &error))
            print_error("%s\n", error.text);
        assert_int_equal(error.count, 0);
        assert_int_equal(strncmp(spec_position(&spec, setting->key).file, "--set", 5), 0);
        spec_free(&spec);
    }
}

static void a_name_alone_is_a_shipped_space_and_a_path_lies_beside_the_spec(void **state) {
    (void)state;
    struct error error = {0};
    const char text[] = "space: mine\nnetwork: [conv: {out: 12, kernel: 1}, "
                        "pixel_shuffle: {scale: 2}]\n";
    assert_true(folder_create("below", &error));
    assert_true(file_write("below/mine.yaml", text, sizeof text - 1, &error));
    assert_true(file_write("tiny", "not a space", 11, &error));
    static const char *const names[][2] = {{"tiny", "tiny"}, {"mine.yaml", "mine"}};
    for (int i = 0; i < 2; i++) {
        char spec_of[100];
        int length = snprintf(spec_of, sizeof spec_of, "space: %s\nscale: 2\n", names[i][0]);
        assert_true(file_write("below/spec.yaml", spec_of, (size_t)length, &error));
        struct spec spec;
        assert_true(spec_read(&spec, "below/spec.yaml", NULL, 0, &error));
        struct space *space = spec_space(&spec, &error);
        if (!space) print_error("%s\n", error.text);
        assert_non_null(space);
        assert_string_equal(space_name(space), names[i][1]);
        space_free(space);
        spec_free(&spec);
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(without_a_file_all_settings_have_their_defaults),
        IN_FOLDER(a_file_changes_what_it_names),
        IN_FOLDER(set_comes_after_the_file),
        IN_FOLDER(every_error_is_a_sentence_with_its_position),
        IN_FOLDER(every_error_of_set_names_the_setting),
        IN_FOLDER(all_errors_come_in_one_go),
        IN_FOLDER(a_missing_file_is_named),
        IN_FOLDER(the_text_of_a_spec_reads_back_to_the_same_spec),
        IN_FOLDER(numbers_are_written_in_their_shortest_form),
        IN_FOLDER(every_setting_is_documented_once),
        IN_FOLDER(every_setting_can_be_set),
        IN_FOLDER(a_name_alone_is_a_shipped_space_and_a_path_lies_beside_the_spec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
