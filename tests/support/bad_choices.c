#include "tests/support/bad_spaces.h"

#define HEAD                                                                                       \
    "space: bad\n"                                                                                 \
    "network:\n"

/* clang-format off: a line of the table is a line of the file */
const struct bad_space bad_choices[] = {
    {"values_to_choose_are_not_a_list",
     HEAD "  - conv: {out: 12, kernel: {choose: 3}}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:38: \"choose\" needs a list of values here, not the number 3"},
    {"no_values_to_choose",
     HEAD "  - conv: {out: 12, kernel: {choose: []}}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:38: \"choose\" needs a list of values here, not an empty one"},
    {"a_value_to_choose_twice",
     HEAD "  - conv: {out: 12, kernel: {choose: [1, 3, 1]}}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:45: the value 1 stands twice among those to choose"},
    {"a_choice_in_a_choice_of_values",
     HEAD "  - conv: {out: 12, kernel: {choose: [{choose: [1, 3]}]}}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:39: a value to choose cannot be a map"},
    {"unknown_key_of_a_choice_of_values",
     HEAD "  - conv: {out: 12, kernel: {choose: [1, 3], ty: a}}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:46: unknown key \"ty\" in a choice of values; known are choose and tie"},
    {"a_value_to_choose_out_of_range",
     HEAD "  - conv: {out: 12, kernel: {choose: [1, 0]}}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:42: \"kernel\" is 0, but must be at least 1"},
    {"an_error_beside_chosen_values_is_said_once",
     HEAD "  - conv: {out: w, kernel: {choose: [1, 3]}}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:17: unknown name \"w\" in \"w\"; names are defined under \"let\""},
    {"a_form_error_beside_chosen_values_is_said_once",
     HEAD "  - conv: {out: 12, kernl: 3, kernel: {choose: [1, 3]}}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:21: unknown key \"kernl\" of \"conv\"; did you mean \"kernel\"?"},
    {"too_many_combinations",
     HEAD
     "  - conv: {out: 12, kernel: {choose: [1, 3, 5, 7, 9, 11, 13, 15, 17]},\n"
     "           dilation: {choose: [1, 2, 3, 4, 5, 6, 7, 8]}, stride: {choose: [1, 2, 3, 4]}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:66: the choices of \"conv\" have more than 256 combinations"},
    {"a_chosen_default_of_candidates",
     HEAD "  - choose: {out: 12, kernel: {choose: [1, 3]}, among: [conv]}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:23: \"kernel\" cannot be chosen for all candidates together: write the choice in "
     "each of them (only \"out\" can)"},
    {"a_tie_with_a_point",
     HEAD "  - choose: {tie: a.b, among: [conv: {out: 12, kernel: 1}]}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:19: \"a.b\" cannot be what choices are tied by: write a name of letters, digits "
     "and "
     "underscores, or one after \"block.\" or \"repeat.\""},
    {"tied_choices_of_other_candidates",
     HEAD "  - choose: {tie: a, among: [conv: {out: 12, kernel: 1}, conv: {out: 12, kernel: 3}]}\n"
          "  - choose: {tie: a, among: [conv: {out: 12, kernel: 1}, conv: {out: 12, kernel: 5}]}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:5: the choice tied as \"a\" has other candidates or bit widths here than in line "
     "3"},
    {"tied_choices_of_other_bits",
     HEAD "  - choose: {tie: a, bits: [4, 8], among: [conv: {out: 12, kernel: 1}]}\n"
          "  - choose: {tie: a, bits: [4, 6], among: [conv: {out: 12, kernel: 1}]}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:5: the choice tied as \"a\" has other candidates or bit widths here than in line "
     "3"},
    {"a_tie_with_the_name_of_a_slot",
     HEAD "  - choose: {name: a, among: [conv: {out: 12, kernel: 1}]}\n"
          "  - choose: {tie: a, among: [conv: {out: 12, kernel: 1}]}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:5: the slot \"a\" is there already (line 3): a tied choice needs a name of its "
     "own"},
    {"two_chosen_values_with_a_tie",
     HEAD "  - conv: {out: 12, kernel: {choose: [1, 3], tie: k}, dilation: {choose: [1, 2]}}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:65: only one value of \"conv\" can be chosen when its choice is tied"},
    {"depths_that_do_not_rise",
     HEAD "  - conv: {out: 12, kernel: 1}\n"
          "  - repeat: {times: {choose: [2, 4, 3]}, do: relu}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:37: depths to choose must rise, but 3 stands after 4"},
    {"a_depth_out_of_range",
     HEAD "  - conv: {out: 12, kernel: 1}\n"
          "  - repeat: {times: {choose: [-1, 2]}, do: relu}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:31: \"times\" is -1, but must be between 0 and 1000"},
    {"a_depth_that_is_a_list",
     HEAD "  - repeat: {times: {choose: [[1, 2], 3]}, do: relu}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:31: \"times\" must be a number or an expression"},
    {"depths_that_do_not_fit",
     HEAD "  - repeat: {times: {choose: [0, 1, 2]}, do: [conv: {out: 12, kernel: 1}]}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:21: the depths do not fit together: 0 repetitions give 3 channels of 64 x 64, "
     "but "
     "1 12 of 64 x 64"},
    {"collecting_a_chosen_depth",
     HEAD "  - conv: {out: 12, kernel: 1}\n"
          "  - repeat: {times: {choose: [1, 2]}, do: relu, collect: all}\n"
          "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:5: \"collect\" needs a fixed number of repetitions, but \"times\" is chosen"},
    {"widths_that_do_not_rise", HEAD
     "  - conv: {out: {choose: [12, 12.0]}, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:31: widths to choose must rise, but 12 stands after 12"},
    {"a_width_of_nothing", HEAD
     "  - conv: {out: {choose: [0, 12]}, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:27: \"out\" is 0, but must be between 1 and 65536"},
    {"a_width_that_is_a_list", HEAD
     "  - conv: {out: {choose: [[3, 4]]}, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:27: \"out\" must be a number or an expression"},
    {"a_chosen_width_of_an_operation_without_weights", HEAD
     "  - repeat_channels: {out: {choose: [6, 12]}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:28: \"out\" must be a number or an expression, not a map"},
    {"widths_chosen_apart_in_a_sum", HEAD
     "  - conv: {out: {choose: [3, 6]}, kernel: 1, name: a}\n"
     "  - conv: {out: {choose: [3, 6]}, kernel: 1, name: b}\n"
     "  - add: {from: [a, b]}\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:5:5: channels that are chosen apart meet in \"add\": \"a.out\" and \"b.out\"; tie the "
     "choices"},
    {"a_chosen_width_and_a_fixed_one_in_a_sum", HEAD
     "  - conv: {out: 6, kernel: 1, name: a}\n"
     "  - conv: {out: {choose: [3, 6]}, kernel: 1, name: b}\n"
     "  - add: {from: [a, b]}\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:5:5: chosen channels (\"b.out\") meet others in \"add\" that are always 6"},
    {"candidates_of_widths_chosen_apart", HEAD
     "  - choose:\n"
     "      among:\n"
     "        - conv: {out: {choose: [3, 6]}, kernel: 1, name: a}\n"
     "        - conv: {out: 6, kernel: 1, name: b}\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:5: chosen channels (\"choose1.a.out\") meet others in \"choose\" that are always 6"},
    {"a_chosen_width_before_a_normalization_of_all_channels", HEAD
     "  - conv: {out: {choose: [3, 6]}, kernel: 1, name: a}\n"
     "  - layer_norm\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:5: \"layer_norm\" needs all channels of its input, but how many there are is chosen "
     "(\"a.out\")"},
    {"a_chosen_width_in_groups", HEAD
     "  - conv: {out: {choose: [4, 8]}, kernel: 1, name: a}\n"
     "  - conv: {out: 12, kernel: 1, groups: 2}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:5: a convolution in groups cannot have a chosen number of channels; for one group a "
     "channel there is \"depthwise\""},
    {"a_chosen_width_at_the_output", HEAD
     "  - conv: {out: 3, kernel: 1}\n"
     "  - resize: {scale: scale, mode: nearest}\n"
     "  - conv: {out: {choose: [2, 3]}, kernel: 1}\n",
     "test.yaml:5:5: the network's output has a chosen number of channels, but must have 3"},
    {"a_chosen_width_where_another_number_stands", HEAD
     "  - b: {out: {choose: [4, 8]}}\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n"
     "blocks:\n"
     "  b: {parameters: {out: }, do: [conv: {out: out, kernel: out/4}]}\n",
     "test.yaml:7:58: \"out\" is chosen by the search: it can stand in \"out\" of convolutions and in a "
     "block's parameters alone"},
    {"half_a_chosen_channel", HEAD
     "  - b: {out: {choose: [4, 5]}}\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n"
     "blocks:\n"
     "  b: {parameters: {out: }, do: [conv: {out: out/2, kernel: 1}]}\n",
     "test.yaml:7:45: \"out\" is 2.5 for one of the chosen values, but must be a whole number between 1 "
     "and 65536"},
    {"two_chosen_widths_in_one_expression", HEAD
     "  - b: {out: {choose: [4, 8]}}\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n"
     "blocks:\n"
     "  b: {parameters: {out: }, do: [c: {out: {choose: [2, 4]}, other: out}]}\n"
     "  c: {parameters: {out: , other: }, do: [conv: {out: out + other, kernel: 1}]}\n",
     "test.yaml:8:60: \"out + other\" has two values that are chosen apart"},
    {"connections_that_do_not_fit", HEAD
     "  - conv: {out: 12, kernel: 1}\n"
     "  - relu: {from: {choose: [previous, input]}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:38: the connections to choose do not fit together: \"previous\" has 12 channels of "
     "64 x 64, but \"input\" 3 of 64 x 64"},
    {"no_connection_at_all", HEAD
     "  - conv: {out: 12, kernel: 1}\n"
     "  - relu: {from: {choose: [none]}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:27: one of the connections to choose must be a step, not \"none\""},
    {"a_connection_to_a_later_step", HEAD
     "  - conv: {out: 12, kernel: 1}\n"
     "  - relu: {from: {choose: [previous, late]}}\n"
     "  - relu: {name: late}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:38: a cycle: \"late\" is a later step (line 5), and a step can only take what steps "
     "before it give"},
    {"a_connection_that_is_a_list", HEAD
     "  - conv: {out: 12, kernel: 1}\n"
     "  - relu: {from: {choose: [[previous]]}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:28: a connection to choose must be a name, not a list"},
    {"a_connection_to_a_collection", HEAD
     "  - repeat: {times: 2, do: relu, collect: all}\n"
     "  - conv: {from: {choose: [all, input]}, out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:28: a connection that is chosen takes the output of one step, but \"all\" collects 2"},
    {"connections_of_widths_chosen_apart", HEAD
     "  - conv: {out: {choose: [3, 6]}, kernel: 1, name: a}\n"
     "  - conv: {out: 6, kernel: 1, name: b}\n"
     "  - relu: {from: {choose: [b, a]}}\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:5:5: chosen channels (\"a.out\") meet others in \"relu\" that are always 6"},
    {"bits_apart_without_activations", HEAD
     "  - conv: {out: 12, kernel: 1, bits: {weights: 8}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:38: \"bits\" of this form needs \"activations\""},
    {"bits_apart_of_floats", HEAD
     "  - conv: {out: 12, kernel: 1, bits: {weights: 8, activations: 32}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:64: 32 (no quantization) is of weights and activations together: write \"bits: 32\""},
    {"bits_of_something_else", HEAD
     "  - conv: {out: 12, kernel: 1, bits: {weights: 8, activatons: 8}}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:51: unknown key \"activatons\" in bit widths; did you mean \"activations\"?"},
};
/* clang-format on */
const int bad_choice_count = (int)(sizeof bad_choices / sizeof bad_choices[0]);
