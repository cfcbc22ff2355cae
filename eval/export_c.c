#include "eval/export_c.h"
#include "core/file.h"
#include "eval/export_c_parts.h"
#include "eval/image.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* How each kind of step is called in the C file, and the part of the code that it takes. */
static const struct {
    int kind;
    const char *constant, *part, *function;
} kinds[] = {
    {INTEGER_INPUT, "INTEGER_INPUT", "input", "integer_input_row"},
    {INTEGER_OUTPUT, "INTEGER_OUTPUT", "output", "integer_output_row"},
    {INTEGER_QUANTIZE, "INTEGER_QUANTIZE", "quantize", "integer_quantize_row"},
    {INTEGER_CONVOLUTION, "INTEGER_CONVOLUTION", "convolution", "integer_convolution_row"},
    {INTEGER_FLOAT_CONVOLUTION, "INTEGER_FLOAT_CONVOLUTION", "float_convolution",
     "integer_float_convolution_row"},
    {INTEGER_ACTIVATION, "INTEGER_ACTIVATION", "activation", "integer_activation_row"},
    {INTEGER_PRELU, "INTEGER_PRELU", "prelu", "integer_prelu_row"},
    {INTEGER_AFFINE, "INTEGER_AFFINE", "affine", "integer_affine_row"},
    {INTEGER_ADD, "INTEGER_ADD", "add", "integer_add_row"},
    {INTEGER_MULTIPLY, "INTEGER_MULTIPLY", "multiply", "integer_multiply_row"},
    {INTEGER_CONCAT, "INTEGER_CONCAT", "concat", "integer_concat_row"},
    {INTEGER_SPLIT, "INTEGER_SPLIT", "split", "integer_split_row"},
    {INTEGER_SHUFFLE, "INTEGER_SHUFFLE", "shuffle", "integer_shuffle_row"},
    {INTEGER_RESIZE, "INTEGER_RESIZE", "resize", "integer_resize_row"},
    {INTEGER_MAX_POOL, "INTEGER_MAX_POOL", "max_pool", "integer_max_pool_row"},
    {INTEGER_AVERAGE_POOL, "INTEGER_AVERAGE_POOL", "average_pool", "integer_average_pool_row"},
    {INTEGER_MEAN, "INTEGER_MEAN", "mean", "integer_mean_row"},
    {INTEGER_DEVIATION, "INTEGER_DEVIATION", "deviation", "integer_deviation_row"},
    {INTEGER_LAYER_NORM, "INTEGER_LAYER_NORM", "layer_norm", "integer_layer_norm_row"},
    {INTEGER_ATTENTION, "INTEGER_ATTENTION", "attention", "integer_attention_rows"},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int kind_index(int kind) {
    for (int i = 0; i < KINDS; i++)
        if (kinds[i].kind == kind) return i;
    return -1;
}

/* --- Tables --------------------------------------------------------------------------------------
 */

enum { LINE = 96 };

/* Writes one element of a list, in lines of bearable length. */
static void write_item(FILE *file, int *column, const char *text) {
    int length = (int)strlen(text) + 1;
    if (*column + length > LINE) {
        fprintf(file, "\n    ");
        *column = 4;
    }
    fprintf(file, "%s,", text);
    *column += length;
}

static void begin_list(FILE *file, const char *type, const char *name, int index, int *column) {
    fprintf(file, "static const %s %s_%d[] = {\n    ", type, name, index);
    *column = 4;
}

static void write_floats(FILE *file, int index, const float *values, size_t count) {
    char text[64];
    int column;
    begin_list(file, "float", "floats", index, &column);
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%af", (double)values[i]);
        write_item(file, &column, text);
    }
    fprintf(file, "};\n");
}

static void write_bytes(FILE *file, const char *name, int index, const unsigned char *values,
                        size_t count) {
    char text[64];
    int column;
    begin_list(file, "unsigned char", name, index, &column);
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%d", values[i]);
        write_item(file, &column, text);
    }
    fprintf(file, "};\n");
}

static void write_words(FILE *file, const char *name, int index, const int32_t *values,
                        size_t count) {
    char text[64];
    int column;
    begin_list(file, "int32_t", name, index, &column);
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%" PRId32, values[i]);
        write_item(file, &column, text);
    }
    fprintf(file, "};\n");
}

static void write_longs(FILE *file, const char *name, int index, const int64_t *values,
                        size_t count) {
    char text[64];
    int column;
    begin_list(file, "int64_t", name, index, &column);
    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "INT64_C(%" PRId64 ")", values[i]);
        write_item(file, &column, text);
    }
    fprintf(file, "};\n");
}

/* Floats of a step's table. */
static size_t float_count(const struct integer_program *program, const struct integer_step *step) {
    size_t in = (size_t)program->values[step->inputs[0]].channels;
    size_t out = (size_t)program->values[step->output].channels;
    size_t window = (size_t)step->kernel_h * (size_t)step->kernel_w;
    size_t side = 2 * (size_t)step->kernel_h - 1;
    switch (step->kind) {
    case INTEGER_PRELU:
        return out;
    case INTEGER_FLOAT_CONVOLUTION:
        return (window * in / (size_t)step->groups + 1) * out;
    case INTEGER_ATTENTION:
        return 4 * out * out + 4 * out + (step->groups ? side * side * (size_t)step->option : 0);
    default:
        return 2 * out;
    }
}

static void write_scaling(FILE *file, int index, const struct integer_scaling *scaling,
                          size_t channels) {
    write_words(file, "multipliers", index, scaling->multipliers, channels);
    write_longs(file, "biases", index, scaling->biases, channels);
    write_bytes(file, "shifts", index, scaling->shifts, channels);
    if (scaling->slope_multipliers) {
        write_words(file, "slope_multipliers", index, scaling->slope_multipliers, channels);
        write_longs(file, "slope_biases", index, scaling->slope_biases, channels);
    }
    fprintf(file,
            "static const struct integer_scaling scaling_%d = {multipliers_%d, biases_%d, "
            "shifts_%d,\n",
            index, index, index, index);
    if (scaling->slope_multipliers)
        fprintf(file, "    slope_multipliers_%d, slope_biases_%d, ", index, index);
    else
        fprintf(file, "    NULL, NULL, ");
    fprintf(file, "%d, %d};\n", scaling->lowest, scaling->highest);
}

static void write_tables(FILE *file, const struct integer_network *network, int index) {
    const struct integer_program *program = &network->program;
    const struct integer_step *step = &program->steps[index];
    size_t channels = (size_t)program->values[step->output].channels;
    size_t in = (size_t)program->values[step->inputs[0]].channels;
    fprintf(file, "\n/* %s */\n", network->names[index]);
    if (step->weights) {
        size_t count =
            in / (size_t)step->groups * channels * (size_t)step->kernel_h * (size_t)step->kernel_w;
        size_t per_byte = (size_t)(8 / step->weight_bits);
        write_bytes(file, "weights", index, step->weights, (count + per_byte - 1) / per_byte);
        write_words(file, "offsets", index, step->offsets, channels);
    }
    if (step->scaling) write_scaling(file, index, step->scaling, channels);
    if (step->floats) write_floats(file, index, step->floats, float_count(program, step));
}

static void write_inputs(FILE *file, const struct integer_step *step, int index) {
    fprintf(file, "static const int inputs_%d[] = {", index);
    for (int i = 0; i < step->input_count; i++)
        fprintf(file, "%s%d", i ? ", " : "", step->inputs[i]);
    fprintf(file, "};\n");
}

/* "NAME_7", or NULL where there is no such table. */
static void write_name(FILE *file, const char *sign, const char *name, int index, bool is_there) {
    if (is_there)
        fprintf(file, ", %s%s_%d", sign, name, index);
    else
        fprintf(file, ", NULL");
}

static void write_step(FILE *file, const struct integer_step *step, int index) {
    fprintf(file, "    {%s, %d, %d, inputs_%d, %d, %d, %d, %d, %d, %d, %d, %d, %af",
            kinds[kind_index(step->kind)].constant, step->output, step->input_count, index,
            step->kernel_h, step->kernel_w, step->stride, step->pad_h, step->pad_w, step->dilation,
            step->groups, step->option, (double)step->number);
    write_name(file, "", "floats", index, step->floats != NULL);
    fprintf(file, ", %d", step->weight_bits);
    write_name(file, "", "weights", index, step->weights != NULL);
    write_name(file, "", "offsets", index, step->offsets != NULL);
    write_name(file, "&", "scaling", index, step->scaling != NULL);
    fprintf(file, "},\n");
}

static void write_program(FILE *file, const struct integer_network *network) {
    const struct integer_program *program = &network->program;
    for (int i = 0; i < program->step_count; i++)
        write_tables(file, network, i);
    for (int i = 0; i < program->step_count; i++)
        write_inputs(file, &program->steps[i], i);
    fprintf(file, "\nenum { VALUES = %d, STEPS = %d };\n", program->value_count,
            program->step_count);
    fprintf(file, "static const struct integer_value values[VALUES] = {\n");
    for (int i = 0; i < program->value_count; i++) {
        const struct integer_value *value = &program->values[i];
        fprintf(file, "    {%d, %d, %d, %d},\n", value->channels, value->is_levels, value->zero,
                value->highest);
    }
    fprintf(file, "};\nstatic const struct integer_step steps[STEPS] = {\n");
    for (int i = 0; i < program->step_count; i++)
        write_step(file, &program->steps[i], i);
    fprintf(
        file,
        "};\nstatic const struct integer_program program = {values, VALUES, steps, STEPS, %zu};\n",
        program->scratch_bytes);
}

/* --- Code ----------------------------------------------------------------------------------------
 */

static void write_dispatch(FILE *file, const bool *used) {
    fprintf(file, "\nstatic void run_row(const struct integer_call *call, int y) {\n"
                  "    switch (call->step->kind) {\n");
    for (int i = 0; i < KINDS; i++)
        if (used[i])
            fprintf(file, "    case %s:\n        %s(call, y);\n        break;\n", kinds[i].constant,
                    kinds[i].function);
    fprintf(file, "    default:\n        break;\n    }\n}\n");
}

static const char budget[] =
    "\n/* Bytes of working memory that may be taken: with fewer it takes more time. */\n"
    "#ifndef MODEL_MEMORY\n"
    "#define MODEL_MEMORY 262144\n"
    "#endif\n";

static const char interface[] =
    "\n/* What a picture takes beside its rows. */\n"
    "struct state {\n"
    "    struct integer_stream stream;\n"
    "    struct integer_plane planes[VALUES], views[VALUES];\n"
    "    struct integer_track tracks[VALUES];\n"
    "    uint32_t live[(VALUES + 31) / 32], conflicts[VALUES * ((VALUES + 31) / 32)];\n"
    "};\n"
    "\n"
    "/* State and rows are each aligned to 16 bytes. */\n"
    "enum { STATE = ((int)sizeof(struct state) + 31) / 16 * 16 };\n"
    "\n"
    "static void *align(void *memory) {\n"
    "    return (unsigned char *)memory + (16 - (uintptr_t)memory % 16) % 16;\n"
    "}\n"
    "\n"
    "/* Bytes of working memory with the state; 0: too small or too large a picture. */\n"
    "static size_t plan(struct state *state, int width, int height) {\n"
    "    struct integer_stream *stream = &state->stream;\n"
    "    size_t most = MODEL_MEMORY > STATE ? MODEL_MEMORY - STATE : 0, bytes;\n"
    "    stream->program = &program;\n"
    "    stream->planes = state->planes;\n"
    "    stream->views = state->views;\n"
    "    stream->tracks = state->tracks;\n"
    "    stream->live = state->live;\n"
    "    stream->conflicts = state->conflicts;\n"
    "    if (width < 1 || height < 1 || width > MODEL_LARGEST || height > MODEL_LARGEST) return "
    "0;\n"
    "    bytes = integer_stream_plan(stream, height, width, most);\n"
    "    return bytes ? bytes + STATE : 0;\n"
    "}\n"
    "\n"
    "size_t model_memory(int width, int height) {\n"
    "    struct state state;\n"
    "    return plan(&state, width, height);\n"
    "}\n"
    "\n"
    "int model_upscale(const unsigned char *low, int width, int height, unsigned char *high,\n"
    "                  void *memory, size_t bytes) {\n"
    "    struct state *state = (struct state *)align(memory);\n"
    "    size_t needed = bytes < STATE ? model_memory(width, height) : plan(state, width, "
    "height);\n"
    "    if (width > MODEL_LARGEST || height > MODEL_LARGEST) return MODEL_TOO_LARGE;\n"
    "    if (!needed) return MODEL_TOO_SMALL;\n"
    "    if (bytes < needed) return MODEL_NO_MEMORY;\n"
    "    state->stream.memory = (unsigned char *)align(state + 1);\n"
    "    state->stream.low = low;\n"
    "    state->stream.high = high;\n"
    "    state->stream.run = run_row;\n"
    "    integer_stream_run(&state->stream);\n"
    "    return 0;\n"
    "}\n";

static const char program_text[] =
    "\n#ifdef MODEL_MAIN\n"
    "/* cc -O2 -DMODEL_MAIN model.c -lm -o upscale && ./upscale small.ppm large.ppm */\n"
    "#include <stdio.h>\n"
    "#include <stdlib.h>\n"
    "\n"
    "/* A number of the file's head, after spaces and comments; -1: there is none so small. */\n"
    "static int read_number(FILE *file) {\n"
    "    int c = getc(file), number = -1;\n"
    "    while (c == ' ' || (c >= '\\t' && c <= '\\r') || c == '#') {\n"
    "        if (c == '#')\n"
    "            while (c != '\\n' && c != EOF)\n"
    "                c = getc(file);\n"
    "        else\n"
    "            c = getc(file);\n"
    "    }\n"
    "    for (; c >= '0' && c <= '9'; c = getc(file)) {\n"
    "        number = (number < 0 ? 0 : number) * 10 + c - '0';\n"
    "        if (number > 65535) return -1;\n"
    "    }\n"
    "    if (c == '#') ungetc(c, file);\n"
    "    return number;\n"
    "}\n"
    "\n"
    "/* What is wrong with the file, or NULL: then there are pixels, to be freed. */\n"
    "static const char *read_picture(const char *path, unsigned char **pixels, int *width,\n"
    "                                int *height) {\n"
    "    FILE *file = fopen(path, \"rb\");\n"
    "    const char *wrong = \"it is not a binary PPM picture (P6) with values to 255\";\n"
    "    size_t bytes;\n"
    "    *pixels = NULL;\n"
    "    if (!file) return \"it cannot be read\";\n"
    "    if (getc(file) == 'P' && getc(file) == '6') {\n"
    "        *width = read_number(file);\n"
    "        *height = read_number(file);\n"
    "        if (*width > 0 && *height > 0 && read_number(file) == 255) wrong = NULL;\n"
    "    }\n"
    "    if (!wrong && ((size_t)-1) / 3 / MODEL_SCALE / MODEL_SCALE / (size_t)*width < "
    "(size_t)*height)\n"
    "        wrong = \"it is too large for this machine\";\n"
    "    if (!wrong) {\n"
    "        bytes = (size_t)*width * (size_t)*height * 3;\n"
    "        *pixels = (unsigned char *)malloc(bytes);\n"
    "        if (!*pixels)\n"
    "            wrong = \"there is no memory for it\";\n"
    "        else if (fread(*pixels, 1, bytes, file) != bytes)\n"
    "            wrong = \"it ends too early\";\n"
    "    }\n"
    "    fclose(file);\n"
    "    return wrong;\n"
    "}\n"
    "\n"
    "static int write_picture(const char *path, const unsigned char *pixels, int width, int "
    "height) "
    "{\n"
    "    size_t count = (size_t)width * (size_t)height;\n"
    "    FILE *file = fopen(path, \"wb\");\n"
    "    int ok;\n"
    "    if (!file) return 0;\n"
    "    ok = fprintf(file, \"P6\\n%d %d\\n255\\n\", width, height) > 0;\n"
    "    ok = fwrite(pixels, 3, count, file) == count && ok;\n"
    "    return fclose(file) == 0 && ok;\n"
    "}\n"
    "\n"
    "int main(int count, char **arguments) {\n"
    "    int width, height, status = 1;\n"
    "    unsigned char *low, *high = NULL;\n"
    "    void *memory = NULL;\n"
    "    const char *wrong;\n"
    "    size_t bytes;\n"
    "    if (count != 3) {\n"
    "        fprintf(stderr, \"usage: %s LOW.ppm HIGH.ppm\\n\", arguments[0]);\n"
    "        return 2;\n"
    "    }\n"
    "    wrong = read_picture(arguments[1], &low, &width, &height);\n"
    "    if (wrong) {\n"
    "        fprintf(stderr, \"%s: %s\\n\", arguments[1], wrong);\n"
    "        free(low);\n"
    "        return 3;\n"
    "    }\n"
    "    bytes = model_memory(width, height);\n"
    "    if (bytes) memory = malloc(bytes);\n"
    "    if (memory)\n"
    "        high = (unsigned char *)malloc((size_t)width * MODEL_SCALE * (size_t)height *\n"
    "                                       MODEL_SCALE * 3);\n"
    "    if (bytes == 0) {\n"
    "        fprintf(stderr, \"%s: %dx%d pixels are too %s for this network\\n\", arguments[1], "
    "width,\n"
    "                height,\n"
    "                width > MODEL_LARGEST || height > MODEL_LARGEST ? \"many\" : \"few\");\n"
    "        status = 3;\n"
    "    } else if (!high) {\n"
    "        fprintf(stderr, \"%s: there is no memory to upscale it\\n\", arguments[1]);\n"
    "    } else if (model_upscale(low, width, height, high, memory, bytes) != 0 ||\n"
    "               !write_picture(arguments[2], high, width * MODEL_SCALE, height * "
    "MODEL_SCALE)) {\n"
    "        fprintf(stderr, \"%s: it cannot be written\\n\", arguments[2]);\n"
    "    } else {\n"
    "        fprintf(stderr, \"%lu bytes of working memory\\n\", (unsigned long)bytes);\n"
    "        status = 0;\n"
    "    }\n"
    "    free(memory);\n"
    "    free(high);\n"
    "    free(low);\n"
    "    return status;\n"
    "}\n"
    "#endif\n";

static const char header[] =
    "#ifndef MODEL_H\n"
    "#define MODEL_H\n"
    "\n"
    "#include <stddef.h>\n"
    "\n"
    "#ifdef __cplusplus\n"
    "extern \"C\" {\n"
    "#endif\n"
    "\n"
    "/* How many times larger pictures become, and the most pixels that a side of one may have. "
    "*/\n"
    "enum { MODEL_SCALE = %d, MODEL_LARGEST = %d };\n"
    "enum { MODEL_TOO_SMALL = -1, MODEL_NO_MEMORY = -2, MODEL_TOO_LARGE = -3 };\n"
    "\n"
    "/* Bytes of working memory that model_upscale takes for a picture of this size; 0: the "
    "network\n"
    " * makes nothing of so small or so large a picture. At most MODEL_MEMORY where so few can do, "
    "which is\n"
    " * 262144 or what model.c is compiled with (-DMODEL_MEMORY=BYTES): more are faster. */\n"
    "size_t model_memory(int width, int height);\n"
    "\n"
    "/*\n"
    " * Upscales 8-bit RGB pixels, row after row, from width x height to MODEL_SCALE times that, "
    "with\n"
    " * `memory` of at least model_memory(width, height) bytes. 0, or a number above.\n"
    " */\n"
    "int model_upscale(const unsigned char *low, int width, int height, unsigned char *high,\n"
    "                  void *memory, size_t bytes);\n"
    "\n"
    "#ifdef __cplusplus\n"
    "}\n"
    "#endif\n"
    "#endif\n";

static void write_code(FILE *file, const struct integer_network *network) {
    bool used[KINDS] = {false};
    struct export_c_parts parts;
    export_c_parts_read(&parts);
    for (int i = 0; i < network->program.step_count; i++)
        used[kind_index(network->program.steps[i].kind)] = true;
    for (int i = 0; i < KINDS; i++)
        if (used[i]) export_c_parts_want(&parts, kinds[i].part);
    export_c_parts_want(&parts, "plan");
    export_c_parts_write(&parts, file);
    export_c_parts_free(&parts);
    write_program(file, network);
    fputs(budget, file);
    write_dispatch(file, used);
    fputs(interface, file);
    fputs(program_text, file);
}

char *export_c_header(const char *path) {
    size_t length = strlen(path);
    char *header_path = memory_allocate(length + 1);
    memcpy(header_path, path, length + 1);
    header_path[length - 1] = 'h';
    return header_path;
}

bool export_c_write(const struct integer_network *network, int scale, const char *title,
                    const char *path, struct error *error) {
    char *code = NULL, *interface_text = NULL, *header_path = export_c_header(path);
    const char *slash = strrchr(header_path, '/');
    size_t code_length = 0, interface_length = 0;
    FILE *file = open_memstream(&code, &code_length);
    if (file) {
        const char *header_name = slash ? slash + 1 : header_path;
        fprintf(file, "/* %s. Written by Tamis " TAMIS_VERSION "; see %s. */\n#include \"%s\"\n",
                title, header_name, header_name);
        write_code(file, network);
        fclose(file);
    }
    FILE *interface_file = open_memstream(&interface_text, &interface_length);
    if (interface_file) {
        fprintf(interface_file, "/* %s. Written by Tamis " TAMIS_VERSION ". */\n", title);
        fprintf(interface_file, header, scale, IMAGE_MAX_SIDE / scale);
        fclose(interface_file);
    }
    bool ok = file && interface_file;
    if (!ok) error_add(error, ERROR_FAILED, "there is no memory for the text of the C file");
    ok = ok && file_write_pair((struct file_part){header_path, interface_text, interface_length},
                               (struct file_part){path, code, code_length}, error);
    free(code);
    free(interface_text);
    memory_free(header_path);
    return ok;
}
