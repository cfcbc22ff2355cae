/* Arithmetic over named values: how a space writes sizes ("w/2", "3*scale^2"). */
#ifndef TAMIS_SPACES_EXPRESSION_H
#define TAMIS_SPACES_EXPRESSION_H

#include "core/error.h"
#include <stdbool.h>

/* A value that the search chooses: one for each candidate of a slot. */
struct expression_choice {
    int slot;
    int count; /* 0: not chosen */
    const double *values;
};

/* Names that an expression may use; those of `outer` are visible behind them. All borrowed. */
struct expression_names {
    const char *const *names;
    const double *values;
    int count;
    const struct expression_names *outer;
    const struct expression_choice *choices; /* of each name; NULL: none is chosen */
};

enum { EXPRESSION_MAX_LENGTH = 1000, EXPRESSION_MAX_DEPTH = 64 };

/*
 * Evaluates + - * / ^ (the last binds strongest and to the right; -2^2 is -4), parentheses, numbers
 * and names. `position` is where the text begins; errors point at the character where it goes
 * wrong. The result is always finite.
 */
bool expression_evaluate(const char *text, struct position position,
                         const struct expression_names *names, double *value, struct error *error);
/* The same with chosen values allowed: those of candidate `candidate` are used. `*used` becomes the
 * choice that they belong to, and stays where none is used; two different ones are an error. */
bool expression_evaluate_choice(const char *text, struct position position,
                                const struct expression_names *names, int candidate,
                                const struct expression_choice **used, double *value,
                                struct error *error);
/* True if a name that is chosen stands in the text, whatever else is wrong with it. */
bool expression_uses_choice(const char *text, const struct expression_names *names);
/* The same where a whole number is wanted: a result such as 3.5 is an error that says so. */
bool expression_evaluate_integer(const char *text, struct position position,
                                 const struct expression_names *names, long *value,
                                 struct error *error);
/* Checks the grammar alone, with any names. */
bool expression_check(const char *text, struct position position, struct error *error);
/* True for a letter or underscore followed by letters, digits and underscores. */
bool expression_is_name(const char *text);

#endif
