#include "tests/support/latencies.h"
#include "tests/support/spaces.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct latency_table latencies_make(const struct space *space) {
    enum { SIDE = 32 };
    struct latency_table table = {0};
    struct built supernet = build_network(space, NULL, NETWORK_FLOAT, 1, SIDE, SIDE);
    for (int i = 0; i < supernet.network->site_count; i++) {
        char operation[LATENCY_NAME_BYTES];
        latency_operation(supernet.network, &supernet.network->sites[i], operation);
        for (int p = 0; p < LATENCY_PRECISIONS; p++)
            latency_table_add(&table, operation, p, 1e6 * (i + 1), 0.01 + 0.3 * (p + 1) / (i + 3));
    }
    built_free(&supernet);
    return table;
}

void latencies_set(struct cost_model *model, const struct space *space) {
    struct latency_table table = latencies_make(space);
    assert_true(cost_model_set_latency(model, &table, NULL));
    latency_table_free(&table);
}
