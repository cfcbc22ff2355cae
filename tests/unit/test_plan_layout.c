#include "core/random.h"
#include "ops/plan_layout.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void buffers_that_live_together_never_overlap(void **state) {
    (void)state;
    enum { COUNT = 200, TIMES = 60 };
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct random random = random_at(seed, RANDOM_STREAM_TEST, 2);
        struct layout_buffer buffers[COUNT];
        size_t live[TIMES] = {0}, most = 0, sum = 0;
        for (int i = 0; i < COUNT; i++) {
            int begin = (int)random_below(&random, TIMES), end = (int)random_below(&random, TIMES);
            size_t bytes = 1 + random_below(&random, 5000);
            if (begin > end) end = begin;
            buffers[i] = (struct layout_buffer){.bytes = bytes, .begin = begin, .end = end};
            for (int t = begin; t <= end; t++)
                live[t] += bytes;
            sum += bytes;
        }
        for (int t = 0; t < TIMES; t++)
            most = live[t] > most ? live[t] : most;
        size_t total = layout_place(buffers, COUNT, false);
        assert_true(total >= most);
        /* Good enough to be worth it: within a third of the least possible. */
        assert_true(total < most + most / 3);
        for (int i = 0; i < COUNT; i++) {
            assert_int_equal(buffers[i].offset % LAYOUT_ALIGNMENT, 0);
            assert_true(buffers[i].offset + buffers[i].bytes <= total);
            for (int k = 0; k < i; k++) {
                bool together =
                    buffers[i].begin <= buffers[k].end && buffers[k].begin <= buffers[i].end;
                bool apart = buffers[i].offset + buffers[i].bytes <= buffers[k].offset ||
                             buffers[k].offset + buffers[k].bytes <= buffers[i].offset;
                assert_true(apart || !together);
            }
        }
        assert_true(layout_place(buffers, COUNT, true) >= sum);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_that_live_together_never_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
