#include "tests/support/bad_spaces.h"

/* clang-format off: a line of the table is a line of the file */
const struct bad_space bad_spaces[] = {
    {"an_empty_file", "", "test.yaml:1:1: a space must be a map, not nothing"},
    {"a_list_instead_of_a_map", "- conv\n", "test.yaml:1:1: a space must be a map, not a list"},
    {"no_network", "space: bad\n",
     "test.yaml:1:1: a space needs a section \"network\" with a list of steps"},
    {"no_name",
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:1:1: a space needs a name: write \"space: my_space\""},
    {"bad_space_name",
     "space: my space\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:1:8: \"my space\" cannot be a space's name: it has letters, digits, - and _ only, "
     "and fewer than 64 of them"},
    {"unknown_section",
     "space: bad\n"
     "blcoks: {}\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:2:1: unknown key \"blcoks\" in the space; did you mean \"blocks\"?"},
    {"section_network_is_a_map",
     "space: bad\n"
     "network: {conv: 3}\n",
     "test.yaml:2:10: \"network\" must be a list of steps, not a map"},
    {"section_network_is_empty",
     "space: bad\n"
     "network: []\n",
     "test.yaml:2:10: \"network\" must be a list of steps, not an empty one"},
    {"blocks_is_a_list",
     "space: bad\n"
     "blocks: [conv]\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:2:9: \"blocks\" must be a map of names, not a list"},
    {"unknown_operation",
     "space: bad\n"
     "network:\n"
     "  - conv3: {out: 12}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:5: unknown operation \"conv3\"; did you mean \"conv\"?"},
    {"operation_of_the_builder",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - lsq: {bits: 4}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:5: unknown operation \"lsq\"; \"tamis list ops\" shows all, and blocks are "
     "defined under \"blocks\""},
    {"unknown_attribute",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernl: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:21: unknown key \"kernl\" of \"conv\"; did you mean \"kernel\"?"},
    {"missing_attribute",
     "space: bad\n"
     "network:\n"
     "  - conv: {kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:5: \"conv\" needs \"out\" (output channels)"},
    {"attributes_at_the_level_of_the_step",
     "space: bad\n"
     "network:\n"
     "  - conv:\n"
     "    out: 12\n"
     "    kernel: 1\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:5: a step has exactly one operation, block or choice, but this one has 3 keys; "
     "what belongs to the operation is indented below it"},
    {"attributes_as_a_number",
     "space: bad\n"
     "network:\n"
     "  - conv: 12\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:11: what belongs to \"conv\" must be a map such as {name: x}, not the number 12"},
    {"step_is_a_list",
     "space: bad\n"
     "network:\n"
     "  - [conv]\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:5: a step must be an operation, a block or a choice, not a list"},
    {"step_is_nothing",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  -\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:4: a step must be an operation, a block or a choice, not nothing"},
    {"attribute_of_the_wrong_type",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: [12], kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:17: \"out\" must be a number or an expression, not a list"},
    {"attribute_without_value",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: , kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:12: \"out\" has no value"},
    {"kernel_list_too_long",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: [1, 1, 1]}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:29: \"kernel\" takes one value or a list of 2, not of 3"},
    {"attribute_too_small",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 0}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:29: \"kernel\" is 0, but must be at least 1"},
    {"boolean_as_yes",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1, bias: yes}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:38: expected true or false, found \"yes\"; write true"},
    {"unknown_word_of_a_choice",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n"
     "  - resize: {mode: bilinar, scale: 1}\n",
     "test.yaml:5:20: \"mode\" cannot be \"bilinar\"; did you mean \"bilinear\"?"},
    {"half_a_channel",
     "space: bad\n"
     "let: {w: 7}\n"
     "network:\n"
     "  - conv: {out: w/2, kernel: 1}\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:17: \"w/2\" is 3.5, but a whole number is needed here"},
    {"unknown_value_name",
     "space: bad\n"
     "let: {width: 8}\n"
     "network:\n"
     "  - conv: {out: 2*widht, kernel: 1}\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:19: unknown name \"widht\" in \"2*widht\"; did you mean \"width\"?"},
    {"division_by_zero",
     "space: bad\n"
     "let: {a: 0}\n"
     "network:\n"
     "  - conv: {out: 8/a, kernel: 1}\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:18: \"8/a\" divides by zero"},
    {"open_parenthesis",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 3*(scale+1, kernel: 1}\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:19: the parenthesis in \"3*(scale+1\" is not closed"},
    {"let_forward_reference",
     "space: bad\n"
     "let: {a: 2*b, b: 3}\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:2:12: unknown name \"b\" in \"2*b\"; names are defined under \"let\""},
    {"let_redefines_scale",
     "space: bad\n"
     "let: {scale: 3}\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:2:7: \"scale\" cannot be redefined: it is the upscaling factor of the run"},
    {"range_of_100",
     "space: bad\n"
     "range: 100\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:2:8: \"range\" must be 1 or 255 (pixel values are 0..range), not 100"},
    {"bits_of_1",
     "space: bad\n"
     "bits: [1, 8]\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:2:8: a bit width of 1 is not possible: it must be between 2 and 8, or 16, or 32 "
     "for no "
     "quantization"},
    {"bits_twice",
     "space: bad\n"
     "bits: [4, 4]\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:2:11: the bit width 4 stands twice"},
    {"float_beside_other_bits",
     "space: bad\n"
     "bits: [8, 32]\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:2:11: 32 (no quantization) cannot stand beside other bit widths"},
    {"bits_on_relu",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - relu: {bits: 8}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:12: unknown key \"bits\" of \"relu\""},
    {"bits_of_33_on_a_convolution",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1, bits: 33}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:38: a bit width of 33 is not possible: it must be between 2 and 8, or 16, or 32 "
     "for no "
     "quantization"},
    {"unknown_quantizer",
     "space: bad\n"
     "quantizers: {activations: hgwq}\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:2:27: unknown quantizer \"hgwq\" of activations; did you mean \"hwgq\"?"},
    {"groups_that_do_not_divide",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 8, kernel: 1}\n"
     "  - conv: {out: 12, kernel: 3, groups: 3}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:5: conv: 3 groups do not divide the 8 input channels"},
    {"widths_that_do_not_fit",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 8, kernel: 1, name: a}\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - add: {from: [previous, a]}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:5:5: add: an input of 8 channels of 64 x 64 does not fit to one of 12 channels "
     "of 64 x 64"},
    {"pixel_shuffle_of_odd_channels",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 10, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:5: pixel_shuffle: 10 channels cannot be divided by the square of the scale 2"},
    {"output_of_the_wrong_size",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n",
     "test.yaml:3:5: the network's output has 12 channels of 64 x 64 for an input of 64 x 64, but "
     "must have 3 of 128 x 128 (scale 2)"},
    {"too_few_inputs",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - add\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:5: \"add\" takes at least 2 inputs, but 1 is given; name them with \"from\""},
    {"too_many_inputs",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1, name: a}\n"
     "  - relu: {from: [a, previous]}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:5: \"relu\" takes exactly 1 input, but 2 are given; name them with \"from\""},
    {"unknown_from",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1, name: head}\n"
     "  - relu: {from: haed}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:18: no step here has the name \"haed\"; did you mean \"head\"?"},
    {"from_a_later_step",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - relu: {from: late}\n"
     "  - relu: {name: late}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:18: a cycle: \"late\" is a later step (line 5), and a step can only take what "
     "steps before it give"},
    {"from_itself",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - relu: {name: a, from: a}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:27: a cycle: \"a\" takes its own output as input"},
    {"name_used_twice",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1, name: a}\n"
     "  - relu: {name: a}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:18: two steps of this list have the name \"a\""},
    {"name_with_a_dot",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1, name: a.b}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:38: \"a.b\" cannot be a name: names have letters, digits and underscores only"},
    {"name_input",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1, name: input}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:38: \"input\" cannot be a name: it has a meaning of its own"},
    {"block_called_conv",
     "space: bad\n"
     "blocks: {conv: [relu]}\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:2:10: a block cannot be called \"conv\": that word has a meaning already"},
    {"block_that_contains_itself",
     "space: bad\n"
     "blocks:\n"
     "  a: [b]\n"
     "  b:\n"
     "    - relu\n"
     "    - a\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - a\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:6:7: the block \"a\" contains itself (a -> b -> a)"},
    {"block_that_contains_itself_in_a_choice",
     "space: bad\n"
     "blocks:\n"
     "  a:\n"
     "    - choose: {among: c}\n"
     "choices:\n"
     "  c: [relu, a]\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - a\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:6:13: the block \"a\" contains itself (a -> a)"},
    {"choice_that_contains_itself",
     "space: bad\n"
     "choices:\n"
     "  c: [relu, choose: {among: c}]\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:29: the choice \"c\" contains itself"},
    {"unknown_block_parameter",
     "space: bad\n"
     "blocks:\n"
     "  a: {parameters: {width: 3}, do: [conv: {out: width, kernel: 1}]}\n"
     "network:\n"
     "  - a: {widht: 12}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:5:9: unknown key \"widht\" of \"a\"; did you mean \"width\"?"},
    {"missing_block_parameter",
     "space: bad\n"
     "blocks:\n"
     "  a: {parameters: {width: }, do: [conv: {out: width, kernel: 1}]}\n"
     "network:\n"
     "  - a\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:5:5: the block \"a\" needs a number for \"width\""},
    {"error_in_a_block_used_twice_is_said_once",
     "space: bad\n"
     "blocks:\n"
     "  a: [conv: {out: 0, kernel: 1}]\n"
     "network:\n"
     "  - a\n"
     "  - a\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:19: \"out\" is 0, but must be at least 1"},
    {"name_of_the_caller_is_not_seen_in_a_block",
     "space: bad\n"
     "blocks:\n"
     "  a: [relu: {from: head}]\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1, name: head}\n"
     "  - a\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:20: no step here has the name \"head\""},
    {"repeat_without_times",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - repeat: {do: relu}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:5: \"repeat\" needs \"times\""},
    {"repeat_too_often",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - repeat: {times: 2000, do: relu}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:21: \"times\" is 2000, but must be between 0 and 1000"},
    {"unknown_choice",
     "space: bad\n"
     "choices:\n"
     "  bodies: [relu, identity]\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - choose: {among: bodys}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:6:21: there is no choice \"bodys\"; did you mean \"bodies\"?"},
    {"candidates_that_do_not_fit",
     "space: bad\n"
     "network:\n"
     "  - choose: {among: [conv: {out: 12, kernel: 1}, conv: {out: 8, kernel: 3}]}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:5: the candidates do not fit together: \"conv1\" gives 12 channels of 64 x 64, "
     "but \"conv3\" 8 of 64 x 64"},
    {"candidates_of_one_name",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - choose: {among: [relu: {name: a}, identity: {name: a}]}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:56: two candidates have the name \"a\""},
    {"default_that_no_candidate_has",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - choose: {nmae: a, among: [relu, identity]}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:14: no candidate of this choice has the key \"nmae\"; did you mean \"name\"?"},
    {"default_that_no_candidate_can_use",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, kernel: 1}\n"
     "  - choose: {out: 12, among: [relu, identity]}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:14: no candidate of this choice has the key \"out\""},
    {"several_errors_in_one_go",
     "space: bad\n"
     "let: {w: 8}\n"
     "network:\n"
     "  - conv: {out: v, kernel: 1}\n"
     "  - cnov: {out: 3}\n"
     "  - conv: {out: 12, kernel: -1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:5:5: unknown operation \"cnov\"; did you mean \"conv\"?"},
    {"several_errors_of_sizes_in_one_go",
     "space: bad\n"
     "let: {w: 8}\n"
     "network:\n"
     "  - conv: {out: v, kernel: 1}\n"
     "  - relu: {from: x}\n"
     "  - conv: {out: 12, kernel: -1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:4:17: unknown name \"v\" in \"v\"; names are defined under \"let\"\n"
     "test.yaml:5:18: no step here has the name \"x\"\n"
     "test.yaml:6:29: \"kernel\" is -1, but must be at least 1"},
    {"duplicate_key",
     "space: bad\n"
     "network:\n"
     "  - conv: {out: 12, out: 13, kernel: 1}\n"
     "  - pixel_shuffle: {scale: scale}\n",
     "test.yaml:3:21: the key \"out\" stands already in line 3"},
};
/* clang-format on */
const int bad_space_count = (int)(sizeof bad_spaces / sizeof bad_spaces[0]);
