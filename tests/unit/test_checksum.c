#include "core/checksum.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// clang-format off
#include <cmocka.h>
// clang-format on
#include <string.h>

/* One bit at a time, from the polynomial's definition. */
static uint32_t by_bits(const unsigned char *data, size_t bytes) {
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

static void crc32c_gives_the_published_values(void **state) {
    (void)state;
    unsigned char data[32];
    assert_int_equal(checksum_crc32c(0, "123456789", 9), 0xe3069283u);
    memset(data, 0, sizeof data); /* RFC 3720, B.4 */
    assert_int_equal(checksum_crc32c(0, data, 32), 0x8a9136aau);
    memset(data, 0xff, sizeof data);
    assert_int_equal(checksum_crc32c(0, data, 32), 0x62a8ab43u);
    for (int i = 0; i < 32; i++)
        data[i] = (unsigned char)i;
    assert_int_equal(checksum_crc32c(0, data, 32), 0x46dd794eu);
    assert_int_equal(checksum_crc32c_plain(0, data, 32), 0x46dd794eu);
    assert_int_equal(checksum_crc32c(0, data, 0), 0);
}

static void crc32c_is_the_same_fast_and_plain_and_in_parts(void **state) {
    (void)state;
    unsigned char data[300];
    for (int i = 0; i < 300; i++)
        data[i] = (unsigned char)(i * i * 31 + 7);
    for (size_t start = 0; start < 9; start++)
        for (size_t bytes = 0; bytes + start <= sizeof data; bytes += 7) {
            uint32_t expected = by_bits(data + start, bytes);
            assert_int_equal(checksum_crc32c(0, data + start, bytes), expected);
            assert_int_equal(checksum_crc32c_plain(0, data + start, bytes), expected);
            size_t half = bytes / 3;
            uint32_t part = checksum_crc32c(0, data + start, half);
            assert_int_equal(checksum_crc32c(part, data + start + half, bytes - half), expected);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_gives_the_published_values),
        cmocka_unit_test(crc32c_is_the_same_fast_and_plain_and_in_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
