/* Data shared between the people and machines that build Tamis: not part of the repository. */
#ifndef TAMIS_TESTS_SUPPORT_SHARED_H
#define TAMIS_TESTS_SUPPORT_SHARED_H

#include <stdio.h>

/* Path of a file or folder in the shared folder (the environment's TAMIS_SHARED, else ../shared
 * beside the source folder); NULL when it is not there. In a static buffer until the next call. */
const char *shared_path(const char *relative);

/* Ends the running cmocka test as skipped, with a printed reason, when the data are absent. */
#define SKIP_WITHOUT_SHARED(relative)                                                              \
    do {                                                                                           \
        if (!shared_path(relative)) {                                                              \
            printf("skipped: needs shared/%s\n", (relative));                                      \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

#endif
