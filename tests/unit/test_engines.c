/*
 * Three ways to run one quantized network make one picture: the simulation in float, the integer
 * engine and the C file.
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
#include "tests/support/integers.h"
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

struct figures {
    size_t pictures, samples, different, other_bits;
    size_t far;               /* samples that differ by more than one level */
    int largest;              /* difference of a sample in levels */
    double psnr[2], farthest; /* sums of simulation and integers; largest difference of a picture */
};

static double psnr_of(const struct image *high, const struct image *made) {
    struct error error = {0};
    struct metrics metrics;
    assert_true(metrics_compare(high, made, SCALE, &metrics, &error));
    return metrics.psnr_y;
}

static void compare(struct integers *work, struct integer_engine *engine, const char *folder,
                    const struct dataset_image *image, struct figures *figures) {
    struct error error = {0};
    struct image simulated = evaluator_upscale(&work->evaluator, &image->low, &error);
    struct image made = integer_engine_upscale(engine, &image->low, &error);
    search_setup_need(simulated.pixels && made.pixels, &error);
    assert_int_equal(image_bytes(&simulated), image_bytes(&made));
    for (size_t i = 0; i < image_bytes(&made); i++) {
        int size = abs(simulated.pixels[i] - made.pixels[i]);
        figures->largest = size > figures->largest ? size : figures->largest;
        figures->different += size > 0;
        figures->far += size > 1;
    }
    double psnr[2] = {psnr_of(&image->high, &simulated), psnr_of(&image->high, &made)};
    for (int i = 0; i < 2; i++)
        figures->psnr[i] += psnr[i];
    figures->farthest = fmax(figures->farthest, fabs(psnr[1] - psnr[0]));
    figures->samples += image_bytes(&made);
    figures->pictures++;
    if (!c_program_makes(&c_targets[0], folder, &image->low, &made, NULL)) figures->other_bits++;
    image_free(&simulated);
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
    if (figures->far)
        print_error("%s: %zu samples differ by up to %d levels\n", what, figures->far,
                    figures->largest);
    if (!(figures->farthest <= 0.01))
        print_error("%s: PSNR differs by %g dB\n", what, figures->farthest);
    if (figures->other_bits)
        print_error("%s: %zu pictures of the C file have other bits\n", what, figures->other_bits);
    return !figures->far && figures->farthest <= 0.01 && !figures->other_bits;
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
    c_program_build(&c_targets[0], "", folder);
    snprintf(width, sizeof width, bits ? "%d" : "mixed", bits);
    for (int s = 0; s < (steps ? 2 : 1); s++) {
        struct figures figures = {0};
        compare_set(&work, &engine, folder, sets[s], steps ? SIZE_MAX : 3, &figures);
        double pictures = (double)figures.pictures;
        if (steps)
            printf("| %s | %s | %s | %.3f | %.3f | %.4f | %d | %.4f %% | %zu |\n", space, width,
                   sets[s], figures.psnr[0] / pictures, figures.psnr[1] / pictures,
                   figures.farthest, figures.largest,
                   100 * (double)figures.different / (double)figures.samples, figures.other_bits);
        fflush(stdout);
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
    printf("| space | bits | set | simulation, dB | integers, dB | largest difference, dB | in "
           "levels | samples that differ | C files of other bits |\n"
           "|---|---|---|---|---|---|---|---|---|\n");
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
