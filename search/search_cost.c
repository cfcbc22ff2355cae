#include "search/search_cost.h"

static bool set_latency(const struct spec *spec, struct cost_model *model, struct error *error) {
    const struct spec_texts *paths = &spec->search.latency;
    if (spec->search.cost != COST_LATENCY && !paths->count) return true;
    if (!paths->count)
        return error_at(error, ERROR_SPEC, spec_position(spec, "search.cost"),
                        "the cost latency needs search.latency: tables that `tamis eval --latency` "
                        "has written");
    struct latency_table table = {0};
    bool ok = true;
    for (int i = 0; ok && i < paths->count; i++)
        ok = latency_table_read(&table, paths->items[i], error);
    ok = ok && cost_model_set_latency(model, &table, error);
    latency_table_free(&table);
    return ok;
}

struct cost_model *search_cost_create(const struct spec *spec, const struct space *space,
                                      struct error *error) {
    struct cost_model *model = cost_model_create(space, spec->cost_height / spec->scale,
                                                 spec->cost_width / spec->scale, error);
    if (model && !set_latency(spec, model, error)) {
        cost_model_free(model);
        return NULL;
    }
    return model;
}
