#include "spaces/elimination.h"
#include "core/memory.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

struct table {
    int count;
    int variables[ELIMINATION_MAX_VARIABLES]; /* ascending */
    size_t strides[ELIMINATION_MAX_VARIABLES];
    size_t size;
    double *values;
    struct table *next; /* in the bucket of its last variable */
};

struct variable {
    int size;
    struct table *bucket; /* tables whose last variable this is */
};

struct elimination {
    enum elimination_goal goal;
    struct variable *variables;
    size_t count, capacity;
    double constant;
    bool is_exact;
};

static double neutral(enum elimination_goal goal) {
    return goal == ELIMINATE_TOTAL ? 1 : 0;
}

struct elimination *elimination_create(enum elimination_goal goal) {
    struct elimination *elimination = memory_allocate(sizeof *elimination);
    elimination->goal = goal;
    elimination->constant = neutral(goal);
    elimination->is_exact = true;
    return elimination;
}

static void free_table(struct table *table) {
    memory_free(table->values);
    memory_free(table);
}

void elimination_free(struct elimination *elimination) {
    for (size_t i = 0; i < elimination->count; i++) {
        for (struct table *table = elimination->variables[i].bucket, *next; table; table = next) {
            next = table->next;
            free_table(table);
        }
    }
    memory_free(elimination->variables);
    memory_free(elimination);
}

int elimination_variable(struct elimination *elimination, int size) {
    memory_grow(elimination->variables, elimination->count, elimination->capacity);
    elimination->variables[elimination->count].size = size;
    return (int)elimination->count++;
}

/* A table over variables in this order, in no bucket yet; NULL when it is too large. */
static struct table *new_table(const struct elimination *elimination, const int *variables,
                               int count) {
    size_t size = 1;
    if (count > ELIMINATION_MAX_VARIABLES) return NULL;
    struct table shape = {.count = count};
    for (int i = count - 1; i >= 0; i--) {
        shape.variables[i] = variables[i];
        shape.strides[i] = size;
        size *= (size_t)elimination->variables[variables[i]].size;
        if (size > ELIMINATION_MAX_VALUES) return NULL;
    }
    struct table *table = memory_allocate(sizeof *table);
    *table = shape;
    table->size = size;
    table->values = memory_allocate(size * sizeof *table->values);
    return table;
}

static void put_into_bucket(struct elimination *elimination, struct table *table) {
    int last = table->variables[0];
    for (int i = 1; i < table->count; i++)
        if (table->variables[i] > last) last = table->variables[i];
    table->next = elimination->variables[last].bucket;
    elimination->variables[last].bucket = table;
}

double *elimination_table(struct elimination *elimination, const int *variables, int count) {
    struct table *table = new_table(elimination, variables, count);
    if (!table) {
        elimination->is_exact = false;
        return NULL;
    }
    put_into_bucket(elimination, table);
    return table->values;
}

void elimination_add(struct elimination *elimination, double value) {
    elimination->constant += value;
}

static double combine(enum elimination_goal goal, double a, double b) {
    return goal == ELIMINATE_TOTAL ? a * b : a + b;
}

static double reduce(enum elimination_goal goal, double a, double b) {
    switch (goal) {
    case ELIMINATE_SMALLEST:
        return fmin(a, b);
    case ELIMINATE_LARGEST:
        return fmax(a, b);
    case ELIMINATE_TOTAL:
        break;
    }
    return a + b;
}

/* The variables of all tables of the bucket, its own last; 0 when there are too many. */
static int join(const struct elimination *elimination, int own, int *scope) {
    int count = 0;
    for (const struct table *table = elimination->variables[own].bucket; table;
         table = table->next) {
        for (int i = 0; i < table->count; i++) {
            bool known = table->variables[i] == own;
            for (int j = 0; j < count && !known; j++)
                known = scope[j] == table->variables[i];
            if (known) continue;
            if (count + 1 >= ELIMINATION_MAX_VARIABLES) return 0;
            scope[count++] = table->variables[i];
        }
    }
    scope[count++] = own;
    return count;
}

/* Combines a table into one over a larger scope, whose values are gone through in their order: no
 * index is divided, as a space can have millions of them. */
static void combine_table(const struct elimination *elimination, const struct table *joined,
                          const struct table *table) {
    size_t sizes[ELIMINATION_MAX_VARIABLES], digits[ELIMINATION_MAX_VARIABLES] = {0};
    size_t steps[ELIMINATION_MAX_VARIABLES] = {0}; /* in `table`, by variable of `joined` */
    int last = joined->count - 1;
    for (int i = 0; i < joined->count; i++) {
        sizes[i] = (size_t)elimination->variables[joined->variables[i]].size;
        for (int j = 0; j < table->count; j++)
            if (table->variables[j] == joined->variables[i]) steps[i] = table->strides[j];
    }
    const double *from = table->values;
    for (double *to = joined->values, *end = to + joined->size; to < end;) {
        for (size_t k = 0; k < sizes[last]; k++, to++)
            *to = combine(elimination->goal, *to, from[k * steps[last]]);
        for (int v = last - 1; v >= 0; v--) {
            from += steps[v];
            if (++digits[v] < sizes[v]) break;
            from -= steps[v] * sizes[v];
            digits[v] = 0;
        }
    }
}

/* The combination of all tables of a bucket, over the scope of `joined`. */
static void combine_bucket(const struct elimination *elimination, const struct table *joined,
                           int own) {
    for (size_t i = 0; i < joined->size; i++)
        joined->values[i] = neutral(elimination->goal);
    for (const struct table *table = elimination->variables[own].bucket; table; table = table->next)
        combine_table(elimination, joined, table);
}

/* When a bucket is too large to join: each table by itself gives a bound. */
static void bound_bucket(struct elimination *elimination, int own) {
    elimination->is_exact = false;
    for (const struct table *table = elimination->variables[own].bucket; table;
         table = table->next) {
        double best = table->values[0];
        for (size_t i = 1; i < table->size; i++)
            best = elimination->goal == ELIMINATE_SMALLEST ? fmin(best, table->values[i])
                                                           : fmax(best, table->values[i]);
        elimination->constant = combine(elimination->goal, elimination->constant, best);
    }
    if (elimination->goal == ELIMINATE_TOTAL)
        elimination->constant *= elimination->variables[own].size;
}

static void eliminate(struct elimination *elimination, int own) {
    struct variable *variable = &elimination->variables[own];
    int scope[ELIMINATION_MAX_VARIABLES];
    if (!variable->bucket) { /* free: every value is as good as any */
        if (elimination->goal == ELIMINATE_TOTAL) elimination->constant *= variable->size;
        return;
    }
    int count = join(elimination, own, scope);
    struct table *joined = count ? new_table(elimination, scope, count) : NULL;
    struct table *reduced = joined ? new_table(elimination, scope, count - 1) : NULL;
    if (reduced) {
        combine_bucket(elimination, joined, own);
        size_t size = (size_t)variable->size;
        for (size_t i = 0; i < reduced->size; i++) {
            reduced->values[i] = joined->values[i * size];
            for (size_t k = 1; k < size; k++)
                reduced->values[i] =
                    reduce(elimination->goal, reduced->values[i], joined->values[i * size + k]);
        }
    } else {
        bound_bucket(elimination, own);
    }
    if (joined) free_table(joined);
    for (struct table *table = variable->bucket, *next; table; table = next) {
        next = table->next;
        free_table(table);
    }
    variable->bucket = NULL;
    if (!reduced) return;
    if (reduced->count > 0) {
        put_into_bucket(elimination, reduced);
        return;
    }
    elimination->constant = combine(elimination->goal, elimination->constant, reduced->values[0]);
    free_table(reduced);
}

bool elimination_run(struct elimination *elimination, double *result) {
    for (size_t i = elimination->count; i > 0; i--)
        eliminate(elimination, (int)i - 1);
    *result = elimination->constant;
    return elimination->is_exact;
}
