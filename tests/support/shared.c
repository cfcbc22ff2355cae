#include "tests/support/shared.h"
#include <stdlib.h>
#include <unistd.h>

const char *shared_path(const char *relative) {
    static char path[4096];
    const char *chosen = getenv("TAMIS_SHARED");
    if (chosen && chosen[0])
        snprintf(path, sizeof path, "%s/%s", chosen, relative);
    else
        snprintf(path, sizeof path, "%s/../shared/%s", TAMIS_SOURCE_DIR, relative);
    return access(path, R_OK) == 0 ? path : NULL;
}
