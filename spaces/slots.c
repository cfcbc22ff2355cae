#include "spaces/presence.h"
#include "spaces/space_private.h"

const struct slots *space_slots(const struct space *space, struct error *error) {
    (void)error; /* they were found when the space was read */
    return &space->slots;
}

double space_size(const struct space *space) {
    struct presence presence;
    double total;
    presence_create(&presence, &space->slots, ELIMINATE_TOTAL);
    presence_fix_absent(&presence);
    elimination_run(presence.elimination, &total);
    presence_free(&presence);
    return total;
}
