#include "tests/support/bad_spaces.h"

#define HEAD                                                                                       \
    "space: bad\n"                                                                                 \
    "network:\n"

/* clang-format off: a line of the table is a line of the file */
const struct bad_space bad_choices[] = {
    {"values_to_choose_are_not_a_list", HEAD
     "  - conv: {out: 12, kernel: {choose: 3}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:38: \"choose\" needs a list of values here, not the number 3"},
    {"no_values_to_choose", HEAD
     "  - conv: {out: 12, kernel: {choose: []}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:38: \"choose\" needs a list of values here, not an empty one"},
    {"a_value_to_choose_twice", HEAD
     "  - conv: {out: 12, kernel: {choose: [1, 3, 1]}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:45: the value 1 stands twice among those to choose"},
    {"a_choice_in_a_choice_of_values", HEAD
     "  - conv: {out: 12, kernel: {choose: [{choose: [1, 3]}]}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:39: a value to choose cannot be a map"},
    {"unknown_key_of_a_choice_of_values", HEAD
     "  - conv: {out: 12, kernel: {choose: [1, 3], ty: a}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:46: unknown key \"ty\" in a choice of values; known are choose"},
    {"a_value_to_choose_out_of_range", HEAD
     "  - conv: {out: 12, kernel: {choose: [1, 0]}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:42: \"kernel\" is 0, but must be at least 1"},
    {"an_error_beside_chosen_values_is_said_once", HEAD
     "  - conv: {out: w, kernel: {choose: [1, 3]}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:17: unknown name \"w\" in \"w\"; names are defined under \"let\""},
    {"a_form_error_beside_chosen_values_is_said_once", HEAD
     "  - conv: {out: 12, kernl: 3, kernel: {choose: [1, 3]}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:21: unknown key \"kernl\" of \"conv\"; did you mean \"kernel\"?"},
    {"too_many_combinations", HEAD
     "  - conv: {out: 12, kernel: {choose: [1, 3, 5, 7, 9, 11, 13, 15, 17]},\n"
     "           dilation: {choose: [1, 2, 3, 4, 5, 6, 7, 8]}, stride: {choose: [1, 2, 3, 4]}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:66: the choices of \"conv\" have more than 256 combinations"},
    {"a_chosen_default_of_candidates", HEAD
     "  - choose: {out: 12, kernel: {choose: [1, 3]}, among: [conv]}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:23: \"kernel\" cannot be chosen for all candidates together: write the choice in "
     "each of them (only \"out\" can)"},
};
/* clang-format on */
const int bad_choice_count = (int)(sizeof bad_choices / sizeof bad_choices[0]);
