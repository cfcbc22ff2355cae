#include "tests/support/temporary.h"
#include "core/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int temporary_setup(void **state) {
    const char *parent = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/tamis-test-XXXXXX", parent && parent[0] ? parent : "/tmp");
    if (!mkdtemp(path)) return -1;
    *state = strdup(path);
    return *state ? 0 : -1;
}

int temporary_teardown(void **state) {
    bool removed = folder_remove(*state, NULL);
    free(*state);
    *state = NULL;
    return removed ? 0 : -1;
}

const char *temporary_path(void **state, const char *name) {
    enum { BUFFERS = 8 };
    static char buffers[BUFFERS][4096];
    static unsigned next;
    char *path = buffers[next++ % BUFFERS];
    snprintf(path, sizeof buffers[0], "%s/%s", (const char *)*state, name);
    return path;
}
