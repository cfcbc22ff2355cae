/* Pixels to channels and back, and repeated channels. */
#include "ops/op_list.h"
#include "tests/support/gradient_check.h"
#include "tests/support/single_op.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const int sizes[][5] = {
    {2, 3, 4, 3, 2}, {1, 1, 5, 1, 3}, {1, 4, 1, 5, 2}, {2, 2, 2, 13, 1}, {1, 30, 40, 3, 4}};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static void pixel_shuffle_matches_its_formula(void **state) {
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        int s = sizes[i][4];
        struct shape in =
            shape_activation(sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3] * s * s);
        struct single_op single =
            single_op_open("pixel_shuffle", ATTRIBUTES({"scale", s}), SHAPES(in));
        struct shape out = single.output_shape;
        single_op_forward(&single, true);
        assert_int_equal(out.h, in.h * s);
        assert_int_equal(out.c, sizes[i][3]);
        for (int y = 0; y < out.h; y++) {
            for (int x = 0; x < out.w; x++) {
                for (int c = 0; c < out.c; c++) {
                    int channel = c * s * s + y % s * s + x % s;
                    assert_true(
                        at(out, single_op_output(&single), out.n - 1, y, x, c) ==
                        at(in, single_op_input(&single, 0), in.n - 1, y / s, x / s, channel));
                }
            }
        }
        single_op_close(&single);
    }
}

static void pixel_unshuffle_undoes_pixel_shuffle(void **state) {
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        int s = sizes[i][4];
        struct shape large =
            shape_activation(sizes[i][0], sizes[i][1] * s, sizes[i][2] * s, sizes[i][3]);
        struct single_op down =
            single_op_open("pixel_unshuffle", ATTRIBUTES({"scale", s}), SHAPES(large));
        struct single_op up =
            single_op_open("pixel_shuffle", ATTRIBUTES({"scale", s}), SHAPES(down.output_shape));
        single_op_forward(&down, true);
        memcpy(single_op_input(&up, 0), single_op_output(&down),
               shape_floats(down.output_shape) * sizeof(float));
        single_op_forward(&up, true);
        assert_memory_equal(single_op_output(&up), single_op_input(&down, 0),
                            shape_floats(large) * sizeof(float));
        single_op_close(&down);
        single_op_close(&up);
    }
}

static void repeated_channels_follow_each_other(void **state) {
    (void)state;
    struct shape in = shape_activation(2, 3, 5, 3);
    struct single_op single =
        single_op_open("repeat_channels", ATTRIBUTES({"out", 12}), SHAPES(in));
    single_op_forward(&single, true);
    for (int c = 0; c < 12; c++) {
        assert_true(at(single.output_shape, single_op_output(&single), 1, 2, 4, c) ==
                    at(in, single_op_input(&single, 0), 1, 2, 4, c % 3));
    }
    single_op_close(&single);
}

static void gradients_match_differences(void **state) {
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        int s = sizes[i][4], n = sizes[i][0], h = sizes[i][1], w = sizes[i][2], c = sizes[i][3];
        gradient_check(
            &(struct gradient_check){.op = "pixel_shuffle",
                                     .attributes = {{"scale", s}},
                                     .inputs = {{.shape = shape_activation(n, h, w, c * s * s)}}});
        gradient_check(
            &(struct gradient_check){.op = "pixel_unshuffle",
                                     .attributes = {{"scale", s}},
                                     .inputs = {{.shape = shape_activation(n, h * s, w * s, c)}}});
        gradient_check(
            &(struct gradient_check){.op = "repeat_channels",
                                     .attributes = {{"out", c * s}},
                                     .inputs = {{.shape = shape_activation(n, h, w, c)}}});
        gradient_check(
            &(struct gradient_check){.op = "join_part",
                                     .inputs = {{.shape = shape_activation(n, h, w, c)},
                                                {.shape = shape_activation(n, h, w, c * s)}}});
    }
}

static void sizes_that_do_not_divide_are_refused(void **state) {
    (void)state;
    assert_string_equal(single_op_refusal("pixel_shuffle", ATTRIBUTES({"scale", 2}),
                                          SHAPES(shape_activation(1, 2, 2, 6))),
                        "pixel_shuffle: 6 channels cannot be divided by the square of the scale 2");
    assert_string_equal(single_op_refusal("pixel_unshuffle", ATTRIBUTES({"scale", 2}),
                                          SHAPES(shape_activation(1, 4, 3, 6))),
                        "pixel_unshuffle: an image of 4 x 3 cannot be divided by the scale 2");
    assert_string_equal(single_op_refusal("repeat_channels", ATTRIBUTES({"out", 8}),
                                          SHAPES(shape_activation(1, 4, 3, 3))),
                        "repeat_channels: 8 is not a multiple of the input's 3 channels");
    assert_non_null(strstr(
        single_op_refusal("join_part", NULL,
                          SHAPES(shape_activation(1, 2, 2, 4), shape_activation(1, 2, 2, 6))),
        "are not a part of the channels of"));
}

static void joined_parts_come_in_turns_with_the_other_channels(void **state) {
    (void)state;
    struct shape all = shape_activation(2, 3, 5, 12), part = shape_activation(2, 3, 5, 4);
    struct single_op single = single_op_open("join_part", NULL, SHAPES(part, all));
    single_op_forward(&single, true);
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 5; x++)
            for (int c = 0; c < 12; c++) {
                float wanted =
                    c % 3 == 0 ? at(part, single_op_input(&single, 0), 1, y, x, c / 3)
                               : at(all, single_op_input(&single, 1), 1, y, x, c % 3 * 4 + c / 3);
                assert_true(at(all, single_op_output(&single), 1, y, x, c) == wanted);
            }
    single_op_close(&single);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixel_shuffle_matches_its_formula),
        cmocka_unit_test(pixel_unshuffle_undoes_pixel_shuffle),
        cmocka_unit_test(repeated_channels_follow_each_other),
        cmocka_unit_test(joined_parts_come_in_turns_with_the_other_channels),
        cmocka_unit_test(gradients_match_differences),
        cmocka_unit_test(sizes_that_do_not_divide_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
