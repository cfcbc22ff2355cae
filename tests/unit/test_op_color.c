/* Colours between RGB and YCbCr. */
#include "core/threads.h"
#include "tests/support/gradient_check.h"
#include "tests/support/single_op.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { TO_YCBCR, TO_RGB };

static void color_gradients_match_finite_differences(void **state) {
    (void)state;
    for (int to = TO_YCBCR; to <= TO_RGB; to++) {
        gradient_check(&(struct gradient_check){
            .op = "color",
            .attributes = {{"to", to}, {"range", 255}},
            .inputs = {{.shape = shape_activation(2, 5, 7, 3)}},
        });
    }
}

/* The published corners of BT.601: white, black, red, green and blue. */
static void corners_have_their_published_luma_and_chroma(void **state) {
    (void)state;
    static const double rgb[5][3] = {{1, 1, 1}, {0, 0, 0}, {1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    static const double ycbcr[5][3] = {{235, 128, 128},
                                       {16, 128, 128},
                                       {81.481, 90.203, 240},
                                       {144.553, 53.797, 34.214},
                                       {40.966, 240, 109.786}};
    struct shape shape = shape_activation(1, 1, 5, 3);
    for (int white = 1; white <= 255; white += 254) {
        struct single_op there =
            single_op_open("color", ATTRIBUTES({"to", TO_YCBCR}, {"range", white}), SHAPES(shape));
        struct single_op back =
            single_op_open("color", ATTRIBUTES({"to", TO_RGB}, {"range", white}), SHAPES(shape));
        float *x = single_op_input(&there, 0);
        for (int p = 0; p < 5; p++)
            for (int c = 0; c < 3; c++)
                x[p * shape.pitch + c] = (float)(rgb[p][c] * white);
        single_op_forward(&there, false);
        memcpy(single_op_input(&back, 0), single_op_output(&there),
               shape_floats(shape) * sizeof(float));
        single_op_forward(&back, false);
        for (int p = 0; p < 5; p++)
            for (int c = 0; c < 3; c++) {
                double y = (double)at(shape, single_op_output(&there), 0, 0, p, c) / white;
                double again = (double)at(shape, single_op_output(&back), 0, 0, p, c) / white;
                assert_true(fabs(y * 255 - ycbcr[p][c]) < 1e-3);
                assert_true(fabs(again - rgb[p][c]) < 1e-5);
            }
        single_op_close(&there);
        single_op_close(&back);
    }
}

static void other_than_three_channels_are_refused(void **state) {
    (void)state;
    const char *text = single_op_refusal("color", ATTRIBUTES({"to", TO_RGB}),
                                         SHAPES(shape_activation(1, 2, 2, 4)));
    assert_non_null(strstr(text, "color needs 3 channels, the input has 4"));
}

int main(void) {
    threads_set(2);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(color_gradients_match_finite_differences),
        cmocka_unit_test(corners_have_their_published_luma_and_chroma),
        cmocka_unit_test(other_than_three_channels_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
