#include "spaces/expression.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct evaluator {
    const char *text;
    const char *at;
    struct position position;
    const struct expression_names *names;
    bool check_only; /* every name has the value 1, and results are not judged */
    int candidate;   /* whose chosen values are used */
    const struct expression_choice **used; /* NULL: no chosen value is allowed */
    int depth;
    struct error *error;
};

static struct position position_at(const struct evaluator *evaluator, const char *at) {
    struct position position = evaluator->position;
    if (position.column > 0) position.column += (int)(at - evaluator->text);
    return position;
}

static void skip_spaces(struct evaluator *evaluator) {
    while (*evaluator->at == ' ')
        evaluator->at++;
}

static bool is_name_start(char c) {
    return isalpha((unsigned char)c) || c == '_';
}

static bool is_name_part(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

bool expression_is_name(const char *text) {
    if (!is_name_start(*text)) return false;
    while (is_name_part(*text))
        text++;
    return *text == '\0';
}

enum { MAX_VISIBLE_NAMES = 128 };

static bool take_choice(struct evaluator *evaluator, const char *start, const char *name,
                        const struct expression_choice *choice, double *value) {
    struct position position = position_at(evaluator, start);
    if (!evaluator->used)
        return error_at(evaluator->error, ERROR_SPEC, position,
                        "\"%s\" is chosen by the search: it can stand in \"out\" of convolutions "
                        "and in a block's parameters alone",
                        name);
    if (*evaluator->used && (*evaluator->used)->slot != choice->slot)
        return error_at(evaluator->error, ERROR_SPEC, position,
                        "\"%s\" has two values that are chosen apart", evaluator->text);
    *evaluator->used = choice;
    *value = choice->values[evaluator->candidate];
    return true;
}

static bool find_name(struct evaluator *evaluator, const char *start, size_t length,
                      double *value) {
    if (evaluator->check_only) {
        *value = 1;
        return true;
    }
    const char *visible[MAX_VISIBLE_NAMES];
    size_t visible_count = 0;
    for (const struct expression_names *names = evaluator->names; names; names = names->outer) {
        for (int i = 0; i < names->count; i++) {
            if (strlen(names->names[i]) == length && strncmp(names->names[i], start, length) == 0) {
                if (names->choices && names->choices[i].count)
                    return take_choice(evaluator, start, names->names[i], &names->choices[i],
                                       value);
                *value = names->values[i];
                return true;
            }
            if (visible_count < MAX_VISIBLE_NAMES) visible[visible_count++] = names->names[i];
        }
    }
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)length, start);
    const char *nearest = error_nearest(word, visible, visible_count);
    if (nearest)
        return error_at(evaluator->error, ERROR_SPEC, position_at(evaluator, start),
                        "unknown name \"%s\" in \"%s\"; did you mean \"%s\"?", word,
                        evaluator->text, nearest);
    return error_at(evaluator->error, ERROR_SPEC, position_at(evaluator, start),
                    "unknown name \"%s\" in \"%s\"; names are defined under \"let\"", word,
                    evaluator->text);
}

static bool read_number(struct evaluator *evaluator, double *value) {
    const char *at = evaluator->at;
    while (isdigit((unsigned char)*at))
        at++;
    if (*at == '.') {
        at++;
        while (isdigit((unsigned char)*at))
            at++;
    }
    if (*at == 'e' || *at == 'E') {
        const char *digits = at[1] == '-' || at[1] == '+' ? at + 2 : at + 1;
        if (isdigit((unsigned char)*digits)) {
            at = digits;
            while (isdigit((unsigned char)*at))
                at++;
        }
    }
    if (is_name_part(*at) || *at == '.')
        return error_at(evaluator->error, ERROR_SPEC, position_at(evaluator, evaluator->at),
                        "\"%s\" has a number that cannot be read", evaluator->text);
    char digits[64];
    if (at - evaluator->at >= (long)sizeof digits)
        return error_at(evaluator->error, ERROR_SPEC, position_at(evaluator, evaluator->at),
                        "\"%.40s...\" has a number of too many digits", evaluator->text);
    snprintf(digits, sizeof digits, "%.*s", (int)(at - evaluator->at), evaluator->at);
    *value = strtod(digits, NULL);
    evaluator->at = at;
    return true;
}

static bool read_sum(struct evaluator *evaluator, double *value);

static bool read_atom(struct evaluator *evaluator, double *value) {
    skip_spaces(evaluator);
    const char *start = evaluator->at;
    if (*start == '(') {
        evaluator->at++;
        if (!read_sum(evaluator, value)) return false;
        skip_spaces(evaluator);
        if (*evaluator->at != ')')
            return error_at(evaluator->error, ERROR_SPEC, position_at(evaluator, start),
                            "the parenthesis in \"%s\" is not closed", evaluator->text);
        evaluator->at++;
        return true;
    }
    if (is_name_start(*start)) {
        while (is_name_part(*evaluator->at))
            evaluator->at++;
        return find_name(evaluator, start, (size_t)(evaluator->at - start), value);
    }
    if (isdigit((unsigned char)*start) || (*start == '.' && isdigit((unsigned char)start[1])))
        return read_number(evaluator, value);
    if (*start == '\0')
        return error_at(evaluator->error, ERROR_SPEC, position_at(evaluator, start),
                        "the expression \"%s\" ends where a value should follow", evaluator->text);
    return error_at(evaluator->error, ERROR_SPEC, position_at(evaluator, start),
                    "unexpected \"%c\" in the expression \"%s\"", *start, evaluator->text);
}

static bool read_unary(struct evaluator *evaluator, double *value);

static bool read_power(struct evaluator *evaluator, double *value) {
    if (!read_atom(evaluator, value)) return false;
    skip_spaces(evaluator);
    if (*evaluator->at != '^') return true;
    evaluator->at++;
    double exponent;
    if (!read_unary(evaluator, &exponent)) return false;
    *value = pow(*value, exponent);
    return true;
}

static bool read_unary(struct evaluator *evaluator, double *value) {
    if (++evaluator->depth > EXPRESSION_MAX_DEPTH)
        return error_at(evaluator->error, ERROR_SPEC, evaluator->position,
                        "the expression is nested more than %d deep", EXPRESSION_MAX_DEPTH);
    skip_spaces(evaluator);
    bool good;
    if (*evaluator->at == '-' || *evaluator->at == '+') {
        bool negative = *evaluator->at == '-';
        evaluator->at++;
        good = read_unary(evaluator, value);
        if (good && negative) *value = -*value;
    } else {
        good = read_power(evaluator, value);
    }
    evaluator->depth--;
    return good;
}

static bool read_product(struct evaluator *evaluator, double *value) {
    if (!read_unary(evaluator, value)) return false;
    for (;;) {
        skip_spaces(evaluator);
        char sign = *evaluator->at;
        if (sign != '*' && sign != '/') return true;
        const char *place = evaluator->at++;
        double right;
        if (!read_unary(evaluator, &right)) return false;
        if (sign == '/' && right == 0 && !evaluator->check_only)
            return error_at(evaluator->error, ERROR_SPEC, position_at(evaluator, place),
                            "\"%s\" divides by zero", evaluator->text);
        *value = sign == '*' ? *value * right : *value / right;
    }
}

static bool read_sum(struct evaluator *evaluator, double *value) {
    if (!read_product(evaluator, value)) return false;
    for (;;) {
        skip_spaces(evaluator);
        char sign = *evaluator->at;
        if (sign != '+' && sign != '-') return true;
        evaluator->at++;
        double right;
        if (!read_product(evaluator, &right)) return false;
        *value = sign == '+' ? *value + right : *value - right;
    }
}

static bool run(struct evaluator *evaluator, double *value) {
    if (strlen(evaluator->text) > EXPRESSION_MAX_LENGTH)
        return error_at(evaluator->error, ERROR_SPEC, evaluator->position,
                        "the expression is longer than %d characters", EXPRESSION_MAX_LENGTH);
    if (!read_sum(evaluator, value)) return false;
    skip_spaces(evaluator);
    if (*evaluator->at != '\0')
        return error_at(evaluator->error, ERROR_SPEC, position_at(evaluator, evaluator->at),
                        "unexpected \"%c\" in the expression \"%s\"", *evaluator->at,
                        evaluator->text);
    if (!evaluator->check_only && !isfinite(*value))
        return error_at(evaluator->error, ERROR_SPEC, evaluator->position,
                        "the value of \"%s\" is not a finite number", evaluator->text);
    return true;
}

bool expression_evaluate(const char *text, struct position position,
                         const struct expression_names *names, double *value, struct error *error) {
    struct evaluator evaluator = {
        .text = text, .at = text, .position = position, .names = names, .error = error};
    return run(&evaluator, value);
}

bool expression_evaluate_choice(const char *text, struct position position,
                                const struct expression_names *names, int candidate,
                                const struct expression_choice **used, double *value,
                                struct error *error) {
    struct evaluator evaluator = {.text = text,
                                  .at = text,
                                  .position = position,
                                  .names = names,
                                  .candidate = candidate,
                                  .used = used,
                                  .error = error};
    return run(&evaluator, value);
}

bool expression_uses_choice(const char *text, const struct expression_names *names) {
    while (*text) {
        const char *start = text;
        if (!is_name_start(*text)) {
            /* A digit begins a number; what hangs on it is no name. */
            text++;
            while (isdigit((unsigned char)*start) && is_name_part(*text))
                text++;
            continue;
        }
        while (is_name_part(*text))
            text++;
        size_t length = (size_t)(text - start);
        bool found = false;
        for (const struct expression_names *at = names; at && !found; at = at->outer)
            for (int i = 0; i < at->count && !found; i++) {
                found = strlen(at->names[i]) == length && strncmp(at->names[i], start, length) == 0;
                if (found && at->choices && at->choices[i].count) return true;
            }
    }
    return false;
}

bool expression_evaluate_integer(const char *text, struct position position,
                                 const struct expression_names *names, long *value,
                                 struct error *error) {
    double real;
    if (!expression_evaluate(text, position, names, &real, error)) return false;
    if (real != floor(real))
        return error_at(error, ERROR_SPEC, position,
                        "\"%s\" is %.6g, but a whole number is needed here", text, real);
    if (fabs(real) > 1e9)
        return error_at(error, ERROR_SPEC, position, "\"%s\" is %.6g, which is too large", text,
                        real);
    *value = (long)real;
    return true;
}

bool expression_check(const char *text, struct position position, struct error *error) {
    struct evaluator evaluator = {
        .text = text, .at = text, .position = position, .check_only = true, .error = error};
    double ignored;
    return run(&evaluator, &ignored);
}
