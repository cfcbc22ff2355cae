#include "cli/bench.h"
#include "core/log.h"
#include "core/threads.h"
#include "ops/peak.h"
#include <stdlib.h>

static int compare_doubles(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return values[count / 2];
}

/* The reference over a twentieth of what one repetition takes: one sample of some milliseconds says
 * little about a second. */
static double measure_reference(const struct bench_job *job, double seconds) {
    enum { MAX_SAMPLES = 15 };
    double samples[MAX_SAMPLES], begin = clock_seconds();
    int count = 0;
    do {
        samples[count++] = job->reference(job->reference_context);
    } while (count < MAX_SAMPLES && clock_seconds() - begin < seconds / 20);
    return median(samples, count);
}

bool bench_repeat(const struct bench_job *job, struct bench_result *result, struct error *error) {
    enum { MAX_REPETITIONS = 400 };
    static double times[MAX_REPETITIONS], references[MAX_REPETITIONS], fractions[MAX_REPETITIONS];
    double start = clock_seconds(), last = 0, total = 0;
    int count = 0;
    while (count < MAX_REPETITIONS &&
           (count < job->minimum || clock_seconds() - start < job->seconds)) {
        double before = measure_reference(job, last), begin = clock_seconds();
        if (!job->work(job->context, count, error)) return false;
        last = clock_seconds() - begin;
        times[count] = last;
        total += last;
        references[count] = 0.5 * (before + measure_reference(job, last));
        fractions[count] = job->amount / last / references[count];
        count++;
    }
    *result = (struct bench_result){.repetitions = count, .seconds = median(times, count)};
    result->mean = total / count;
    result->speed = job->amount / result->seconds;
    result->reference = median(references, count);
    result->fraction = median(fractions, count);
    return true;
}

json_t *bench_document(const char *part) {
    json_t *document = json_object();
    json_object_set_new(document, "version", json_string(TAMIS_VERSION));
    json_object_set_new(document, "bench", json_string(part));
    json_object_set_new(document, "threads", json_integer(threads_get()));
    json_object_set_new(document, "lanes", json_integer(peak_lanes()));
    return document;
}
