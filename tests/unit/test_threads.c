#include "core/threads.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include <omp.h>

static void chunks_cover_all_items_once_in_order(void **state) {
    (void)state;
    const size_t sizes[] = {0, 1, 2, 63, 64, 65, 1000, 123457};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (size_t grain = 0; grain < 300; grain = grain * 2 + 1) {
            int count = threads_chunks(sizes[s], grain);
            assert_in_range(count, 1, THREADS_MAX_CHUNKS);
            if (count > 1) assert_true(sizes[s] / (size_t)count >= grain);
            size_t next = 0;
            for (int i = 0; i < count; i++) {
                size_t begin, end;
                threads_chunk(sizes[s], count, i, &begin, &end);
                assert_int_equal(begin, next);
                assert_true(end >= begin && end - begin <= sizes[s] / (size_t)count + 1);
                next = end;
            }
            assert_int_equal(next, sizes[s]);
        }
}

static int threads_in_a_region(void) {
    int seen = 0;
#pragma omp parallel
#pragma omp single
    seen = omp_get_num_threads();
    return seen;
}

static void the_number_of_threads_is_what_was_set(void **state) {
    (void)state;
    threads_set(3);
    assert_int_equal(threads_get(), 3);
    assert_int_equal(threads_in_a_region(), 3);
    threads_set(1);
    assert_int_equal(threads_in_a_region(), 1);
    threads_set(0);
    assert_int_equal(threads_get(), omp_get_num_procs());
    threads_set(2);
    assert_int_equal(threads_in_a_region(), 2);
}

static void the_chunks_do_not_depend_on_the_threads(void **state) {
    (void)state;
    threads_set(1);
    int one = threads_chunks(5000, 100);
    threads_set(4);
    assert_int_equal(threads_chunks(5000, 100), one);
    assert_int_equal(one, 50);
}

enum { MOST_ITEMS = 1000 };

static void every_dealt_item_is_taken_once(void **state) {
    (void)state;
    const int items[] = {0, 1, 5, 16, MOST_ITEMS}, threads[] = {1, 2, 3, 20};
    for (int i = 0; i < 5; i++)
        for (int t = 0; t < 4; t++) {
            struct threads_shares shares;
            int taken[MOST_ITEMS] = {0};
            threads_deal(&shares, items[i], threads[t]);
#pragma omp parallel num_threads(threads[t])
            for (int item; (item = threads_take(&shares, omp_get_thread_num())) >= 0;) {
#pragma omp atomic
                taken[item]++;
            }
            for (int item = 0; item < MOST_ITEMS; item++)
                assert_int_equal(taken[item], item < items[i]);
        }
}

static void a_thread_takes_its_own_share_in_order_and_then_the_end_of_others(void **state) {
    (void)state;
    const int order[] = {4, 5, 6, 9, 8, 7, 3, 2, 1, 0};
    struct threads_shares shares;
    threads_deal(&shares, 10, 3); /* 0 to 3, 4 to 6, 7 to 9 */
    for (int i = 0; i < 10; i++)
        assert_int_equal(threads_take(&shares, 1), order[i]);
    assert_int_equal(threads_take(&shares, 1), -1);
    assert_int_equal(threads_take(&shares, 0), -1);
}

struct calls {
    int most, *items; /* calls of each item */
    int *busy;        /* by thread, while a call is under way */
    int *wrong;       /* calls with a thread that is too high or busy already */
};

static void count_call(const void *context, int item, int thread) {
    const struct calls *calls = context;
    int before = 1;
    if (thread >= 0 && thread < calls->most) {
#pragma omp atomic capture
        before = calls->busy[thread]++;
    }
#pragma omp atomic
    *calls->wrong += before;
#pragma omp atomic
    calls->items[item]++;
    usleep(10);
    if (before) return;
#pragma omp atomic
    calls->busy[thread]--;
}

static void every_item_runs_once_and_no_thread_has_two_at_a_time(void **state) {
    (void)state;
    const int items[] = {0, 1, 7, MOST_ITEMS}, threads[] = {1, 2, 6}, most[] = {1, 4, 16};
    for (int i = 0; i < 4 * 3 * 3; i++) {
        int counted[MOST_ITEMS] = {0}, busy[16] = {0}, wrong = 0, count = items[i % 4];
        struct calls calls = {most[i / 12], counted, busy, &wrong};
        threads_set(threads[i / 4 % 3]);
        threads_run(count, calls.most, count_call, &calls);
        assert_int_equal(wrong, 0);
        for (int item = 0; item < MOST_ITEMS; item++)
            assert_int_equal(counted[item], item < count);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_cover_all_items_once_in_order),
        cmocka_unit_test(the_number_of_threads_is_what_was_set),
        cmocka_unit_test(the_chunks_do_not_depend_on_the_threads),
        cmocka_unit_test(every_dealt_item_is_taken_once),
        cmocka_unit_test(a_thread_takes_its_own_share_in_order_and_then_the_end_of_others),
        cmocka_unit_test(every_item_runs_once_and_no_thread_has_two_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
