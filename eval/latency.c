#include "eval/latency.h"
#include "core/log.h"
#include "core/memory.h"
#include "eval/evaluator.h"
#include "eval/integer_engine.h"
#include "eval/leaves.h"
#include "results/statistics.h"
#include <string.h>

enum { LEAST_RUNS = 5, MOST_RUNS = 400, TIMED_RUNS = 5 };

/* One engine, ready to run. */
struct runner {
    struct network *network; /* of the size: its sites */
    struct evaluator evaluator;
    struct integer_network compiled;
    struct integer_engine engine;
    double times[MOST_RUNS];
};

struct session {
    const struct latency_request *request;
    struct image low;
    struct runner runners[LATENCY_PRECISIONS];
};

static bool open_runner(struct session *session, int precision, struct error *error) {
    const struct latency_request *request = session->request;
    struct runner *runner = &session->runners[precision];
    struct network_options options = {.batch = 1,
                                      .height = request->height,
                                      .width = request->width,
                                      .precision = precision == LATENCY_INTEGER ? NETWORK_QUANTIZED
                                                                                : NETWORK_FLOAT,
                                      .architecture = request->architecture};
    const struct space *space = request->architecture->space;
    struct parameters *parameters = request->parameters[precision];
    runner->network = network_build(space, parameters, &options, error);
    if (!runner->network) return false;
    runner->evaluator =
        evaluator_create(space, request->architecture, parameters, options.precision);
    if (precision == LATENCY_FLOAT) return true;
    if (!integer_network_compile(&runner->compiled, runner->network, error)) return false;
    runner->engine = integer_engine_create(&runner->compiled, integer_kernel_best());
    return true;
}

static void close_runner(struct runner *runner) {
    if (runner->engine.network) integer_engine_free(&runner->engine);
    integer_network_free(&runner->compiled);
    evaluator_free(&runner->evaluator);
    network_free(runner->network);
}

static bool run_once(struct session *session, int precision, double *seconds, struct error *error) {
    struct runner *runner = &session->runners[precision];
    double begin = clock_seconds();
    struct image high = precision == LATENCY_INTEGER
                            ? integer_engine_upscale(&runner->engine, &session->low, error)
                            : evaluator_upscale(&runner->evaluator, &session->low, error);
    *seconds = clock_seconds() - begin;
    bool ok = high.pixels != NULL;
    image_free(&high);
    return ok;
}

static bool run_in_turns(struct session *session, struct latency *latencies, struct error *error) {
    double start = clock_seconds(), unused;
    int runs = 0;
    for (int p = 0; p < LATENCY_PRECISIONS; p++)
        if (session->request->parameters[p] && !run_once(session, p, &unused, error)) return false;
    while (runs < MOST_RUNS &&
           (runs < LEAST_RUNS || clock_seconds() - start < session->request->seconds)) {
        for (int p = 0; p < LATENCY_PRECISIONS; p++)
            if (session->request->parameters[p] &&
                !run_once(session, p, &session->runners[p].times[runs], error))
                return false;
        runs++;
    }
    for (int p = 0; p < LATENCY_PRECISIONS; p++) {
        if (!session->request->parameters[p]) continue;
        const double *times = session->runners[p].times;
        latencies[p] = (struct latency){runs, statistics_median(times, (size_t)runs), times[0]};
        for (int i = 1; i < runs; i++)
            if (times[i] < latencies[p].least) latencies[p].least = times[i];
    }
    return true;
}

/* --- By operation --------------------------------------------------------------------------------
 */

/* The site whose weight the node reads (after fusion the node may be another than the site's), or
 * that the node is. */
static const struct network_site *site_of(const struct network *network, const struct graph *graph,
                                          int index) {
    const struct graph_node *node = &graph->nodes[index];
    for (int i = 0; i < network->site_count; i++) {
        const struct network_site *site = &network->sites[i];
        if (site->node == index && node->op == network->graph->nodes[index].op) return site;
        for (int k = 0; site->weight >= 0 && k < node->input_count; k++) {
            const struct graph_value *value = &graph->values[node->inputs[k]];
            if (value->kind == VALUE_PARAMETER && value->parameter == site->weight) return site;
        }
    }
    return NULL;
}

static const struct network_site *site_named(const struct network *network, const char *name) {
    for (int i = 0; i < network->site_count; i++)
        if (strcmp(network->graph->nodes[network->sites[i].node].name, name) == 0)
            return &network->sites[i];
    return NULL;
}

/* Times in the order of running, each with its site or NULL. */
struct times {
    const struct network_site **sites;
    double *seconds;
    int count;
};

static void add_time(struct times *times, const struct network_site *site, double seconds) {
    times->sites[times->count] = site;
    times->seconds[times->count++] = seconds;
}

static void find_float_times(const struct runner *runner, struct times *times) {
    const struct graph *graph = runner->evaluator.network->graph;
    for (int i = 0; i < (int)graph->node_count; i++) {
        double seconds = plan_node_seconds(runner->evaluator.plan, i);
        if (seconds > 0) add_time(times, site_of(runner->network, graph, i), seconds);
    }
}

static bool has_macs(const struct integer_step *step) {
    return step->kind == INTEGER_CONVOLUTION || step->kind == INTEGER_FLOAT_CONVOLUTION ||
           step->kind == INTEGER_ATTENTION;
}

static void find_integer_times(const struct runner *runner, struct times *times) {
    const struct integer_groups *groups = &runner->engine.groups;
    for (int g = 0; g < groups->count; g++)
        for (int i = 0; i < groups->items[g].count; i++) {
            int step = groups->items[g].steps[i];
            bool is_site = has_macs(&runner->compiled.program.steps[step]);
            add_time(times,
                     is_site ? site_named(runner->network, runner->compiled.names[step]) : NULL,
                     integer_engine_step_seconds(&runner->engine, step));
        }
}

/* Rows of the table; together they take `median`. */
static void add_rows(const struct runner *runner, int precision, const struct times *times,
                     double median, struct latency_table *table) {
    double total = 0, waiting = 0;
    const struct network_site *last = NULL;
    for (int i = 0; i < times->count; i++)
        total += times->seconds[i];
    for (int i = 0; i < times->count; i++) {
        const struct network_site *site = times->sites[i];
        waiting += times->seconds[i];
        if (site) last = site;
        if (!last) continue; /* before the first: counts with it */
        char operation[LATENCY_NAME_BYTES];
        latency_operation(runner->network, last, operation);
        /* The integer engine runs what has more bits in floats. */
        int own = precision == LATENCY_FLOAT
                      ? LATENCY_FLOAT
                      : latency_precision(last->weight_bits, last->activation_bits);
        latency_table_add(table, operation, own, site ? site->macs : 0,
                          1e3 * waiting / total * median);
        waiting = 0;
    }
}

static bool measure_operations(struct session *session, int precision, double median,
                               struct latency_table *table, struct error *error) {
    struct runner *runner = &session->runners[precision];
    double unused;
    bool is_integer = precision == LATENCY_INTEGER;
    if (is_integer)
        integer_engine_set_timing(&runner->engine);
    else
        plan_set_timing(runner->evaluator.plan, true);
    for (int i = 0; i < TIMED_RUNS; i++)
        if (!run_once(session, precision, &unused, error)) return false;
    size_t most = is_integer ? (size_t)runner->compiled.program.step_count
                             : runner->evaluator.network->graph->node_count;
    struct times times = {.sites = memory_allocate(most * sizeof *times.sites),
                          .seconds = memory_allocate(most * sizeof *times.seconds)};
    if (is_integer)
        find_integer_times(runner, &times);
    else
        find_float_times(runner, &times);
    add_rows(runner, precision, &times, median, table);
    memory_free(times.sites);
    memory_free(times.seconds);
    return true;
}

bool latency_measure(const struct latency_request *request,
                     struct latency latencies[LATENCY_PRECISIONS], struct latency_table *table,
                     struct error *error) {
    struct session *session = memory_allocate(sizeof *session);
    memset(session, 0, sizeof *session);
    session->request = request;
    session->low = leaves_image(1, 0, request->width, request->height);
    bool ok = true;
    for (int p = 0; ok && p < LATENCY_PRECISIONS; p++)
        if (request->parameters[p]) ok = open_runner(session, p, error);
    ok = ok && run_in_turns(session, latencies, error);
    for (int p = 0; ok && p < LATENCY_PRECISIONS; p++)
        if (request->parameters[p])
            ok = measure_operations(session, p, latencies[p].median, table, error);
    for (int p = 0; p < LATENCY_PRECISIONS; p++)
        close_runner(&session->runners[p]);
    image_free(&session->low);
    memory_free(session);
    return ok;
}
