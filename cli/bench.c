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

/* Repetitions that together take some milliseconds, as a sample of the reference does: one that is
 * much shorter would measure how cold the reference left the caches. */
static bool run_sample(const struct bench_job *job, int64_t *index, double *seconds,
                       struct error *error) {
    static const double sample_seconds = 3e-3;
    double begin = clock_seconds(), spent;
    int64_t first = *index;
    do {
        if (!job->work(job->context, (*index)++, error)) return false;
        spent = clock_seconds() - begin;
    } while (spent < sample_seconds);
    *seconds = spent / (double)(*index - first);
    return true;
}

bool bench_repeat(const struct bench_job *job, struct bench_result *result, struct error *error) {
    enum { MAX_SAMPLES = 400 };
    static double times[MAX_SAMPLES], references[MAX_SAMPLES], fractions[MAX_SAMPLES];
    double start = clock_seconds(), last = 0, total = 0;
    int64_t repetitions = 0;
    int count = 0;
    while (count < MAX_SAMPLES &&
           (count < job->minimum || clock_seconds() - start < job->seconds)) {
        double before = measure_reference(job, last);
        int64_t first = repetitions;
        if (!run_sample(job, &repetitions, &times[count], error)) return false;
        last = times[count] * (double)(repetitions - first);
        total += last;
        references[count] = 0.5 * (before + measure_reference(job, last));
        fractions[count] = job->amount / times[count] / references[count];
        count++;
    }
    *result = (struct bench_result){.repetitions = (int)repetitions};
    result->seconds = median(times, count);
    result->mean = total / (double)repetitions;
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
