#include "spaces/attributes.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

int attribute_targets(const struct op *op, const char *key, int targets[ATTRIBUTE_MAX_TARGETS]) {
    int own = op_attribute_index(op, key);
    if (own >= 0) {
        targets[0] = own;
        return 1;
    }
    int count = 0;
    for (int i = 0; i < op->attribute_count && count < ATTRIBUTE_MAX_TARGETS; i++)
        if (op->attributes[i].both && strcmp(op->attributes[i].both, key) == 0)
            targets[count++] = i;
    return count;
}

int attribute_words(const struct op *op, const char *const *further, int further_count,
                    const char **words) {
    int count = 0;
    for (int i = 0; i < op->attribute_count; i++) {
        const char *both = op->attributes[i].both;
        words[count++] = op->attributes[i].name;
        if (both && (i == 0 || !op->attributes[i - 1].both ||
                     strcmp(op->attributes[i - 1].both, both) != 0))
            words[count++] = both;
    }
    for (int i = 0; i < further_count; i++)
        words[count++] = further[i];
    return count;
}

/* "nearest", "bilinear" or "bicubic" */
static void list_choices(const char *const *choices, char *buffer, size_t size) {
    size_t at = 0;
    buffer[0] = '\0';
    for (int i = 0; choices[i] && at < size; i++) {
        const char *before = i == 0 ? "" : choices[i + 1] ? ", " : " or ";
        int length = snprintf(buffer + at, size - at, "%s\"%s\"", before, choices[i]);
        at += length > 0 ? (size_t)length : 0;
    }
}

static bool choice_value(const struct op_attribute *attribute, const struct yaml_node *node,
                         double *value, struct error *error) {
    int count = 0;
    for (; attribute->choices[count]; count++) {
        if (node->kind == YAML_SCALAR && strcmp(attribute->choices[count], node->text) == 0) {
            *value = count;
            return true;
        }
    }
    char words[256], found[80];
    list_choices(attribute->choices, words, sizeof words);
    const char *nearest = node->kind == YAML_SCALAR
                              ? error_nearest(node->text, attribute->choices, (size_t)count)
                              : NULL;
    if (nearest)
        return error_at(error, ERROR_SPEC, node->position,
                        "\"%s\" cannot be \"%s\"; did you mean \"%s\"?", attribute->name,
                        node->text, nearest);
    return error_at(error, ERROR_SPEC, node->position, "\"%s\" must be %s, not %s", attribute->name,
                    words, yaml_describe(node, found, sizeof found));
}

/* Columns of an expression in quotes begin after the quote. */
static struct position text_position(const struct yaml_node *node) {
    struct position position = node->position;
    if (node->quoted && position.column > 0) position.column++;
    return position;
}

/* With `names` NULL, and `value` unused, only the form is checked. */
static bool one_value(const struct op_attribute *attribute, const char *key,
                      const struct yaml_node *node, const struct expression_names *names,
                      double *value, struct error *error) {
    char found[80];
    if (attribute->kind == ATTRIBUTE_CHOICE) return choice_value(attribute, node, value, error);
    if (attribute->kind == ATTRIBUTE_BOOLEAN) {
        bool flag = false;
        if (!yaml_to_boolean(node, &flag, error)) return false;
        *value = flag;
        return true;
    }
    if (node->kind != YAML_SCALAR)
        return error_at(error, ERROR_SPEC, node->position,
                        "\"%s\" must be a number or an expression, not %s", key,
                        yaml_describe(node, found, sizeof found));
    if (!names) return expression_check(node->text, text_position(node), error);
    if (attribute->kind == ATTRIBUTE_INTEGER) {
        long integer;
        if (!expression_evaluate_integer(node->text, text_position(node), names, &integer, error))
            return false;
        *value = (double)integer;
    } else if (!expression_evaluate(node->text, text_position(node), names, value, error)) {
        return false;
    }
    if (*value < attribute->minimum)
        return error_at(error, ERROR_SPEC, node->position,
                        "\"%s\" is %.9g, but must be at least %.9g", key, *value,
                        attribute->minimum);
    if (*value > attribute->maximum)
        return error_at(error, ERROR_SPEC, node->position,
                        "\"%s\" is %.9g, but must be at most %.9g", key, *value,
                        attribute->maximum);
    return true;
}

static bool set_argument(const struct op *op, const struct step_argument *argument,
                         const struct expression_names *names, double *values,
                         struct error *error) {
    int targets[ATTRIBUTE_MAX_TARGETS] = {0};
    int count = attribute_targets(op, argument->key, targets);
    const struct yaml_node *value = argument->value;
    if (value->kind == YAML_NULL)
        return error_at(error, ERROR_SPEC, argument->position, "\"%s\" has no value",
                        argument->key);
    if (count > 1 && value->kind == YAML_LIST) {
        if (value->count != count)
            return error_at(error, ERROR_SPEC, value->position,
                            "\"%s\" takes one value or a list of %d, not of %d", argument->key,
                            count, value->count);
        bool good = true;
        for (int i = 0; i < count; i++)
            if (!one_value(&op->attributes[targets[i]], argument->key, value->items[i], names,
                           &values[targets[i]], error))
                good = false;
        return good;
    }
    if (!one_value(&op->attributes[targets[0]], argument->key, value, names, &values[targets[0]],
                   error))
        return false;
    for (int i = 1; i < count; i++)
        values[targets[i]] = values[targets[0]];
    return true;
}

bool attribute_check(const struct op *op, const struct step_argument *argument,
                     struct error *error) {
    double ignored[OP_MAX_ATTRIBUTES];
    return set_argument(op, argument, NULL, ignored, error);
}

static bool any_given(const struct op *op, const char *key, const bool *given) {
    int targets[ATTRIBUTE_MAX_TARGETS];
    int count = attribute_targets(op, key, targets);
    for (int i = 0; i < count; i++)
        if (given[targets[i]]) return true;
    return false;
}

static void mark_given(const struct op *op, const char *key, bool *given) {
    int targets[ATTRIBUTE_MAX_TARGETS];
    int count = attribute_targets(op, key, targets);
    for (int i = 0; i < count; i++)
        given[targets[i]] = true;
}

bool attribute_values(const struct step *step, const struct expression_names *names,
                      const struct defaults *defaults, struct attribute_fixed fixed, double *values,
                      struct error *error) {
    const struct op *op = step->op;
    bool given[OP_MAX_ATTRIBUTES] = {false};
    bool good = true;
    op_attribute_defaults(op, values);
    if (fixed.key) {
        values[op_attribute_index(op, fixed.key)] = fixed.value;
        mark_given(op, fixed.key, given);
    }
    for (int i = 0; i < step->argument_count; i++) {
        if (fixed.key && strcmp(step->arguments[i].key, fixed.key) == 0) continue;
        if (!set_argument(op, &step->arguments[i], names, values, error)) good = false;
        mark_given(op, step->arguments[i].key, given);
    }
    for (; defaults; defaults = defaults->outer) {
        for (int i = 0; i < defaults->count; i++) {
            const struct step_argument *argument = &defaults->arguments[i];
            int targets[ATTRIBUTE_MAX_TARGETS];
            if (attribute_targets(op, argument->key, targets) == 0) continue;
            if (any_given(op, argument->key, given)) continue;
            if (!set_argument(op, argument, defaults->names, values, error)) good = false;
            mark_given(op, argument->key, given);
        }
    }
    for (int i = 0; i < op->attribute_count; i++) {
        const struct op_attribute *attribute = &op->attributes[i];
        if (given[i] || !isinf(attribute->initial)) continue;
        const char *key = attribute->both ? attribute->both : attribute->name;
        good = error_at(error, ERROR_SPEC, step->position, "\"%s\" needs \"%s\" (%s)", op->name,
                        key, attribute->meaning);
        mark_given(op, key, given);
    }
    return good;
}

bool op_is_convolution(const struct op *op) {
    if (!op->parameters || op->minimum_inputs > 1) return false;
    double values[OP_MAX_ATTRIBUTES];
    op_attribute_defaults(op, values);
    for (int i = 0; i < op->attribute_count; i++)
        if (isinf(values[i])) values[i] = fmax(1, op->attributes[i].minimum);
    struct shape input = shape_activation(1, 64, 64, 64), output;
    if (!op->shape(values, &input, 1, &output, (struct position){0}, NULL)) return false;
    struct op_parameter parameters[OP_MAX_PARAMETERS];
    int count = op->parameters(values, &input, 1, parameters);
    int quantizable = 0;
    for (int i = 0; i < count; i++)
        quantizable += parameters[i].is_quantizable;
    return quantizable == 1 && parameters[0].is_quantizable;
}
