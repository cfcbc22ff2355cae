/* Spaces with mistakes, and exactly what is said about them. */
#ifndef TAMIS_TESTS_SUPPORT_BAD_SPACES_H
#define TAMIS_TESTS_SUPPORT_BAD_SPACES_H

struct bad_space {
    const char *name;   /* of the mistake, as a test's name */
    const char *text;   /* of the file "test.yaml", for a scale of 2 */
    const char *errors; /* one sentence a line */
};
extern const struct bad_space bad_spaces[];
extern const int bad_space_count;
/* Mistakes in choices of numbers, depth, width, bits and connections (bad_choices.c). */
extern const struct bad_space bad_choices[];
extern const int bad_choice_count;

#endif
