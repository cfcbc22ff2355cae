#include "results/units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static const char unknown[] = "–";

/* Four significant digits, with a rounding that carries ("999.96 K") going to the next prefix. */
static const char *units_scaled(double value, const char *const *prefixes, int prefix_count,
                                const char *unit, char buffer[UNITS_BYTES]) {
    if (!(value >= 0) || isinf(value)) {
        snprintf(buffer, UNITS_BYTES, "%s", unknown);
        return buffer;
    }
    if (value < 999.5) {
        snprintf(buffer, UNITS_BYTES, "%.0f%s%s", value, *unit ? " " : "", unit);
        return buffer;
    }
    int prefix = 0;
    value /= 1000;
    while (value >= 999.95 && prefix + 1 < prefix_count) {
        value /= 1000;
        prefix++;
    }
    int decimals = value < 9.9995 ? 3 : value < 99.995 ? 2 : value < 999.95 ? 1 : 0;
    if (value < 1e15) {
        snprintf(buffer, UNITS_BYTES, "%.*f %s%s", decimals, value, prefixes[prefix], unit);
    } else {
        snprintf(buffer, UNITS_BYTES, "%.3e %s%s", value, prefixes[prefix], unit);
    }
    return buffer;
}

const char *units_operations(double operations, char buffer[UNITS_BYTES]) {
    static const char *const prefixes[] = {"K", "M", "G", "T", "P"};
    return units_scaled(operations, prefixes, 5, "", buffer);
}

const char *units_count(double count, char buffer[UNITS_BYTES]) {
    return units_operations(count, buffer);
}

const char *units_file_size(double bytes, char buffer[UNITS_BYTES]) {
    static const char *const prefixes[] = {"k", "M", "G", "T", "P"};
    return units_scaled(bytes, prefixes, 5, "B", buffer);
}

bool units_read_bytes(const char *text, double *bytes) {
    static const struct {
        const char *name;
        double bytes;
    } units[] = {{"", 1},      {"B", 1},        {"kB", 1e3},     {"MB", 1e6},     {"GB", 1e9},
                 {"TB", 1e12}, {"KiB", 0x1p10}, {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
    if (*text < '0' || *text > '9') return false;
    char *end;
    double number = strtod(text, &end);
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcasecmp(end, units[i].name) != 0) continue;
        *bytes = number * units[i].bytes;
        return isfinite(*bytes);
    }
    return false;
}

const char *units_psnr(double decibel, char buffer[UNITS_BYTES]) {
    if (isnan(decibel)) {
        snprintf(buffer, UNITS_BYTES, "%s", unknown);
    } else if (isinf(decibel)) {
        snprintf(buffer, UNITS_BYTES, "%s∞", decibel < 0 ? "-" : "");
    } else {
        snprintf(buffer, UNITS_BYTES, "%.2f",
                 fabs(decibel) < 1e15 ? decibel : copysign(1e15, decibel));
    }
    return buffer;
}

const char *units_ssim(double ssim, char buffer[UNITS_BYTES]) {
    if (isfinite(ssim) && fabs(ssim) < 1e15) {
        snprintf(buffer, UNITS_BYTES, "%.4f", ssim);
    } else {
        snprintf(buffer, UNITS_BYTES, "%s", unknown);
    }
    return buffer;
}

const char *units_duration(double seconds, char buffer[UNITS_BYTES]) {
    if (!(seconds >= 0) || seconds > 1e12) {
        snprintf(buffer, UNITS_BYTES, "%s", unknown);
    } else if (seconds < 59.95) {
        snprintf(buffer, UNITS_BYTES, "%.1f s", seconds);
    } else if (seconds < 3599.5) {
        long whole = lround(seconds);
        snprintf(buffer, UNITS_BYTES, "%ld min %02ld s", whole / 60, whole % 60);
    } else {
        long minutes = lround(seconds / 60);
        snprintf(buffer, UNITS_BYTES, "%ld h %02ld min", minutes / 60, minutes % 60);
    }
    return buffer;
}
