#include "spaces/latency_table.h"
#include "core/file.h"
#include "core/yaml.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *const latency_precision_names[] = {"float", "integer", NULL};

enum { INTEGER_BITS = 8 }; /* the most that the integer engine multiplies */

void latency_table_free(struct latency_table *table) {
    memory_free(table->rows);
    arena_free(&table->arena);
    *table = (struct latency_table){0};
}

static struct latency_row *find_row(const struct latency_table *table, const char *operation,
                                    int precision) {
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].precision == precision &&
            strcmp(table->rows[i].operation, operation) == 0)
            return &table->rows[i];
    return NULL;
}

void latency_table_add(struct latency_table *table, const char *operation, int precision,
                       double macs, double milliseconds) {
    struct latency_row *row = find_row(table, operation, precision);
    if (!row) {
        memory_grow(table->rows, table->count, table->capacity);
        row = &table->rows[table->count++];
        *row = (struct latency_row){arena_copy(&table->arena, operation), precision, 0, 0};
    }
    row->macs += macs;
    row->milliseconds += milliseconds;
}

/* --- Files ---------------------------------------------------------------------------------------
 */

static bool read_amount(const struct yaml_node *row, const char *key, double *value,
                        struct error *error) {
    const struct yaml_node *node = yaml_get(row, key);
    if (!node) return error_at(error, ERROR_SPEC, row->position, "this row has no \"%s\"", key);
    if (!yaml_to_real(node, value, error)) return false;
    if (*value > 0 && isfinite(*value)) return true;
    return error_at(error, ERROR_SPEC, node->position, "\"%s\" must be above 0", key);
}

static bool read_row(struct latency_table *table, const struct yaml_node *row,
                     struct error *error) {
    static const char *const keys[] = {"operation", "precision", "macs", "milliseconds"};
    const char *operation, *precision;
    double macs, milliseconds;
    if (row->kind != YAML_MAP) return error_at(error, ERROR_SPEC, row->position, "a row is a map");
    if (!yaml_check_keys(row, "the row", keys, 4, error)) return false;
    for (int i = 0; i < 2; i++)
        if (!yaml_get(row, keys[i]))
            return error_at(error, ERROR_SPEC, row->position, "this row has no \"%s\"", keys[i]);
    if (!yaml_to_string(yaml_get(row, keys[0]), &operation, error) ||
        !yaml_to_string(yaml_get(row, keys[1]), &precision, error) ||
        !read_amount(row, keys[2], &macs, error) ||
        !read_amount(row, keys[3], &milliseconds, error))
        return false;
    for (int i = 0; i < LATENCY_PRECISIONS; i++)
        if (strcmp(precision, latency_precision_names[i]) == 0) {
            latency_table_add(table, operation, i, macs, milliseconds);
            return true;
        }
    return error_at(error, ERROR_SPEC, yaml_get(row, keys[1])->position,
                    "the precision is float or integer, not \"%s\"", precision);
}

bool latency_table_read(struct latency_table *table, const char *path, struct error *error) {
    struct yaml_document document = {0};
    bool ok = yaml_read(path, &document, error);
    const struct yaml_node *rows = ok ? yaml_get(document.root, "operations") : NULL;
    if (ok && (!rows || rows->kind != YAML_LIST))
        ok = error_at(error, ERROR_SPEC, (struct position){path, 0, 0},
                      "this is no latency table: it has no list \"operations\"; `tamis eval "
                      "--latency` writes one");
    for (int i = 0; ok && i < rows->count; i++)
        ok = read_row(table, rows->items[i], error);
    yaml_free(&document);
    return ok;
}

bool latency_table_write(const struct latency_table *table, const char *about, const char *path,
                         struct error *error) {
    struct arena arena = {0};
    const char *text = arena_format(&arena, "%soperations:\n", about);
    for (size_t i = 0; i < table->count; i++) {
        const struct latency_row *row = &table->rows[i];
        text = arena_format(&arena,
                            "%s  - {operation: %s, precision: %s, macs: %.0f, milliseconds: "
                            "%.6g}\n",
                            text, row->operation, latency_precision_names[row->precision],
                            row->macs, row->milliseconds);
    }
    bool ok = file_write(path, text, strlen(text), error);
    arena_free(&arena);
    return ok;
}

/* --- Sites ---------------------------------------------------------------------------------------
 */

static int attribute(const struct graph_node *node, const char *name, int otherwise) {
    int index = op_attribute_index(node->op, name);
    return index < 0 ? otherwise : (int)node->attribute[index];
}

void latency_operation(const struct network *network, const struct network_site *site,
                       char name[LATENCY_NAME_BYTES]) {
    const struct graph_node *node = &network->graph->nodes[site->node];
    int kernel = attribute(node, "kernel", 0);
    int rows = attribute(node, "kernel_h", kernel), columns = attribute(node, "kernel_w", kernel);
    int length = snprintf(name, LATENCY_NAME_BYTES, "%s", node->op->name);
    if (rows > 0)
        length +=
            snprintf(name + length, (size_t)(LATENCY_NAME_BYTES - length), " %dx%d", rows, columns);
    if (attribute(node, "groups", 1) > 1)
        snprintf(name + length, (size_t)(LATENCY_NAME_BYTES - length), " grouped");
}

int latency_precision(int weight_bits, int activation_bits) {
    return weight_bits <= INTEGER_BITS && activation_bits <= INTEGER_BITS ? LATENCY_INTEGER
                                                                          : LATENCY_FLOAT;
}

/* Whether bits of at most 8, and of more, can be had: of a slot, or fixed ones. */
static void find_bits(const struct slots *slots, int slot, int fixed, bool can[2]) {
    can[LATENCY_FLOAT] = slot < 0 && fixed > INTEGER_BITS;
    can[LATENCY_INTEGER] = slot < 0 && fixed <= INTEGER_BITS;
    for (int c = 0; slot >= 0 && c < slots->items[slot].candidate_count; c++) {
        const struct slot_candidate *candidate = &slots->items[slot].candidates[c];
        for (int i = 0; i < candidate->bits_count; i++)
            can[candidate->bits[i] <= INTEGER_BITS ? LATENCY_INTEGER : LATENCY_FLOAT] = true;
    }
}

static bool needs(const struct slots *slots, const struct network_site *site, int precision) {
    bool weights[2], activations[2];
    int slot = site->activation_slot >= 0 ? site->activation_slot : site->slot;
    find_bits(slots, site->slot, site->weight_bits, weights);
    find_bits(slots, slot, site->activation_bits, activations);
    return precision == LATENCY_INTEGER ? weights[precision] && activations[precision]
                                        : weights[precision] || activations[precision];
}

static double rate_of(const struct latency_row *row) {
    return row ? ldexp(rint(ldexp(row->milliseconds / row->macs, 40)), -40) : 0;
}

bool latency_table_apply(const struct latency_table *table, struct network *network,
                         struct error *error) {
    const struct slots *slots = space_slots(network->space, error);
    bool ok = slots != NULL;
    for (int i = 0; ok && i < network->site_count; i++) {
        struct network_site *site = &network->sites[i];
        char operation[LATENCY_NAME_BYTES];
        latency_operation(network, site, operation);
        for (int p = 0; p < LATENCY_PRECISIONS; p++) {
            const struct latency_row *row = find_row(table, operation, p);
            site->latency_rates[p] = rate_of(row);
            if (row || !needs(slots, site, p)) continue;
            ok = error_add(error, ERROR_SPEC,
                           "the latency table has no %s row for \"%s\", which \"%s\" is; measure a "
                           "network that has it by `tamis eval --latency` and name its table too",
                           latency_precision_names[p], operation, site->name);
        }
    }
    return ok;
}
