/*
 * The ways to run one quantized network make one picture: the integer engine and the C file to the
 * bit, the simulation in real numbers to a level, the simulation in float to 0.01 dB.
 *
 *     test_engines           one small network, briefly trained, on three pictures of Set5
 *     test_engines STEPS [SPACE]
 *                            the spaces rfdn_small, mbconv_small and hybrid_small in 8, 4 and mixed
 *                            bits, or any one space, trained for so many steps, on Set5 and Set14,
 *                            with a table
 *
 * Training is on BSD200 and everything is x4; the pictures are in the shared folder.
 */
#include "core/log.h"
#include "eval/integer_engine.h"
#include "eval/metrics.h"
#include "tests/support/c_program.h"
#include "tests/support/integer_simulation.h"
#include "tests/support/shared.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SCALE = 4 };

static int steps;          /* 0: the short test */
static const char *chosen; /* a space; NULL: the three small ones */

enum { REAL_NUMBERS, FLOATS, SIMULATIONS };

/* Samples of the integer engine's pictures against those of a simulation. */
struct difference {
    size_t different, far; /* by any level, by more than one */
    int largest;           /* in levels */
    double psnr, farthest; /* sum of the simulation's; largest difference of a picture */
};

struct figures {
    size_t pictures, samples, other_bits;
    double psnr; /* sum of the integer engine's */
    struct difference differences[SIMULATIONS];
};

static double psnr_of(const struct image *high, const struct image *made) {
    struct error error = {0};
    struct metrics metrics;
    assert_true(metrics_compare(high, made, SCALE, &metrics, &error));
    return metrics.psnr_y;
}

static void add_difference(struct difference *difference, const struct image *high,
                           const struct image *made, const struct image *simulated) {
    assert_int_equal(image_bytes(simulated), image_bytes(made));
    for (size_t i = 0; i < image_bytes(made); i++) {
        int size = abs(simulated->pixels[i] - made->pixels[i]);
        difference->largest = size > difference->largest ? size : difference->largest;
        difference->different += size > 0;
        difference->far += size > 1;
    }
    double psnr = psnr_of(high, simulated);
    difference->psnr += psnr;
    difference->farthest = fmax(difference->farthest, fabs(psnr - psnr_of(high, made)));
}

static void compare(struct integers *work, struct integer_engine *engine, const char *folder,
                    const struct dataset_image *image, struct figures *figures) {
    struct error error = {0};
    struct image made = integer_engine_upscale(engine, &image->low, &error);
    struct image simulated[SIMULATIONS] = {
        [REAL_NUMBERS] = integer_simulation_upscale(work, &image->low, &error),
        [FLOATS] = evaluator_upscale(&work->evaluator, &image->low, &error)};
    for (int i = 0; i < SIMULATIONS; i++) {
        search_setup_need(made.pixels && simulated[i].pixels, &error);
        add_difference(&figures->differences[i], &image->high, &made, &simulated[i]);
        image_free(&simulated[i]);
    }
    figures->psnr += psnr_of(&image->high, &made);
    figures->samples += image_bytes(&made);
    figures->pictures++;
    if (!c_program_makes(&c_targets[0], folder, &image->low, &made, NULL)) figures->other_bits++;
    image_free(&made);
}

static void compare_set(struct integers *work, struct integer_engine *engine, const char *folder,
                        const char *set, size_t most, struct figures *figures) {
    char path[64];
    struct error error = {0};
    struct dataset pictures;
    snprintf(path, sizeof path, "data/sets/%s", set);
    struct dataset_spec spec = {.path = shared_path(path), .scale = SCALE};
    search_setup_need(dataset_open(&spec, &pictures, &error), &error);
    for (size_t i = 0; i < pictures.count && i < most; i++)
        compare(work, engine, folder, &pictures.images[i], figures);
    dataset_free(&pictures);
}

static bool hold(const struct figures *figures, const char *what) {
    const struct difference *reals = &figures->differences[REAL_NUMBERS];
    bool good = true;
    if (reals->far || reals->different > figures->samples / 10000) {
        print_error("%s: %zu samples differ by up to %d levels from real numbers\n", what,
                    reals->different, reals->largest);
        good = false;
    }
    for (int i = 0; i < SIMULATIONS; i++) {
        if (figures->differences[i].farthest <= 0.01) continue;
        print_error("%s: PSNR differs by %g dB\n", what, figures->differences[i].farthest);
        good = false;
    }
    if (figures->other_bits)
        print_error("%s: %zu pictures of the C file have other bits\n", what, figures->other_bits);
    return good && !figures->other_bits;
}

static void print_row(const struct figures *figures, const char *space, const char *width,
                      const char *set) {
    printf("| %s | %s | %s | %.3f |", space, width, set, figures->psnr / (double)figures->pictures);
    for (int i = 0; i < SIMULATIONS; i++) {
        const struct difference *difference = &figures->differences[i];
        printf(" %.3f | %.4f | %zu | %zu | %d |", difference->psnr / (double)figures->pictures,
               difference->farthest, difference->different, difference->far, difference->largest);
    }
    printf(" %zu | %zu |\n", figures->samples, figures->other_bits);
    fflush(stdout);
}

static bool check_network(const char *space, int bits, int shift, int count) {
    static const char *const sets[] = {"Set5", "Set14"};
    char folder[64], training[512], what[64], width[16];
    bool good = true;
    snprintf(training, sizeof training, "%s", shared_path("data/train/BSD200"));
    struct integers work;
    struct integers_training how = {.scale = SCALE, .steps = count, .folder = training};
    integers_open_trained(&work, space, bits, shift, &how);
    struct integer_engine engine = integer_engine_create(&work.compiled, integer_kernel_best());
    c_program_folder(folder);
    c_program_write(&work.compiled, SCALE, space, folder);
    /* The bits are those of any memory (test_export_c.c). */
    c_program_build(&c_targets[0], "-O3 -DMODEL_MEMORY=16000000", folder);
    snprintf(width, sizeof width, bits ? "%d" : "mixed", bits);
    for (int s = 0; s < (steps ? 2 : 1); s++) {
        struct figures figures = {0};
        compare_set(&work, &engine, folder, sets[s], steps ? SIZE_MAX : 3, &figures);
        if (steps) print_row(&figures, space, width, sets[s]);
        snprintf(what, sizeof what, "%s in %s bits on %s", space, width, sets[s]);
        good &= hold(&figures, what);
    }
    c_program_remove(folder);
    integer_engine_free(&engine);
    integers_close(&work);
    return good;
}

static void engines_and_c_file_make_one_picture(void **state) {
    (void)state;
    static const char *const spaces[] = {"rfdn_small", "mbconv_small", "hybrid_small"};
    static const int widths[] = {8, 4, 0};
    SKIP_WITHOUT_SHARED("data/sets/Set5");
    SKIP_WITHOUT_SHARED("data/sets/Set14");
    SKIP_WITHOUT_SHARED("data/train/BSD200");
    if (!steps) {
        assert_true(check_network("mbconv_small", 0, 1, 40));
        return;
    }
    printf(
        "The integer engine against the simulation in real numbers, then in floats: PSNR, largest "
        "difference of a picture's PSNR, samples that differ, by more than a level, by how many "
        "levels at most; samples, pictures of the C file that have other bits\n");
    bool good = true;
    for (int s = 0; s < (chosen ? 1 : 3); s++)
        for (int w = 0; w < 3; w++)
            good &= check_network(chosen ? chosen : spaces[s], widths[w], 1 + w, steps);
    assert_true(good);
}

int main(int count, char **arguments) {
    log_set_level(LOG_QUIET);
    if (count > 1) steps = atoi(arguments[1]);
    if (count > 2) chosen = arguments[2];
    if (!c_target_is_there(&c_targets[0])) {
        print_message("skipped: gcc is not installed\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(engines_and_c_file_make_one_picture)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
