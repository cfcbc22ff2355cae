/* A folder for the files of one test. Give the two functions to cmocka_unit_test_setup_teardown, or
 * call them with &state of the test's own. */
#ifndef TAMIS_TESTS_SUPPORT_TEMPORARY_H
#define TAMIS_TESTS_SUPPORT_TEMPORARY_H

/* Creates a fresh folder under TMPDIR (else /tmp); *state becomes its path. Returns 0, or -1. */
int temporary_setup(void **state);
/* Removes the folder and all in it. */
int temporary_teardown(void **state);

/* Path of `name` in the folder that `state` (the pointer a test gets) holds. In one of eight static
 * buffers used in turn. */
const char *temporary_path(void **state, const char *name);

#endif
