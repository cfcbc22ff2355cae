#include "core/random.h"
#include "ops/plan_layout.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* The rule that layout_place keeps to, in the plainest way: by falling size, then by falling length
 * of life, then in order, each goes to the lowest place where nothing lies that lives with it. */
static void place_plainly(struct layout_buffer *buffers, int count) {
    const size_t nowhere = SIZE_MAX;
    for (int i = 0; i < count; i++)
        buffers[i].offset = nowhere;
    for (int placed = 0; placed < count; placed++) {
        struct layout_buffer *next = NULL;
        for (int i = 0; i < count; i++) {
            struct layout_buffer *at = &buffers[i];
            if (at->offset != nowhere) continue;
            if (!next || at->bytes > next->bytes ||
                (at->bytes == next->bytes && at->end - at->begin > next->end - next->begin))
                next = at;
        }
        size_t offset = 0;
        for (bool moved = true; moved;) {
            moved = false;
            for (int i = 0; i < count; i++) {
                const struct layout_buffer *at = &buffers[i];
                if (at->offset == nowhere || at->begin > next->end || at->end < next->begin)
                    continue;
                if (at->offset + at->bytes <= offset || offset + next->bytes <= at->offset)
                    continue;
                offset = at->offset +
                         (at->bytes + LAYOUT_ALIGNMENT - 1) / LAYOUT_ALIGNMENT * LAYOUT_ALIGNMENT;
                moved = true;
            }
        }
        next->offset = offset;
    }
}

/* Buffers as networks have them: values that live into the backward pass, work of one moment,
 * gradients of two, few sizes; and some at random. */
static void make_buffers(struct layout_buffer *buffers, int count, uint64_t seed) {
    struct random random = random_at(seed, RANDOM_STREAM_TEST, 5);
    for (int i = 0; i < count; i++) {
        int time = (int)random_below(&random, (uint32_t)count);
        struct layout_buffer *at = &buffers[i];
        *at = (struct layout_buffer){.bytes = 64 * (1 + random_below(&random, 4))};
        switch (random_below(&random, 4)) {
        case 0:
            at->begin = time;
            at->end = 2 * count - time;
            break;
        case 1:
            at->begin = at->end = 2 * time;
            break;
        case 2:
            at->begin = count + time;
            at->end = count + time + 1;
            break;
        default:
            at->begin = time;
            at->end = time + (int)random_below(&random, (uint32_t)count);
            at->bytes = 1 + random_below(&random, 9000);
        }
    }
}

static void places_are_those_of_the_plain_rule(void **state) {
    (void)state;
    enum { COUNT = 900 };
    static struct layout_buffer buffers[COUNT], plain[COUNT];
    for (uint64_t seed = 0; seed < 4; seed++) {
        make_buffers(buffers, COUNT, seed);
        memcpy(plain, buffers, sizeof plain);
        layout_place(buffers, COUNT, false);
        place_plainly(plain, COUNT);
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(buffers[i].offset, plain[i].offset);
    }
}

/* A large buffer that lives before the others leaves room below one that lives with it and them. */
static void room_between_buffers_is_filled(void **state) {
    (void)state;
    enum { COUNT = 500, LARGE = 64 * 1000, SMALL = 64 };
    static struct layout_buffer buffers[COUNT];
    buffers[0] = (struct layout_buffer){.bytes = LARGE, .begin = 0, .end = 0};
    buffers[1] = (struct layout_buffer){.bytes = LARGE - SMALL, .begin = 0, .end = 9};
    for (int i = 2; i < COUNT; i++)
        buffers[i] = (struct layout_buffer){.bytes = SMALL, .begin = 5, .end = 9};
    assert_int_equal(layout_place(buffers, COUNT, false), 2 * LARGE - SMALL);
    for (int i = 2; i < COUNT; i++)
        assert_int_equal(buffers[i].offset, (i - 2) * SMALL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_that_live_together_never_overlap),
        cmocka_unit_test(places_are_those_of_the_plain_rule),
        cmocka_unit_test(room_between_buffers_is_filled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
