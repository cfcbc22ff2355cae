#include "tests/support/search_setup.h"
#include "search/search_cost.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void search_setup_need(bool ok, const struct error *error) {
    if (ok) return;
    fprintf(stderr, "%s\n", error->count ? error->text : "failed without a sentence");
    exit(1);
}

void search_setup_open(struct search_setup *setup, const char *space_text,
                       const char *const *settings) {
    struct error error = {0};
    int count = 0;
    while (settings[count])
        count++;
    memset(setup, 0, sizeof *setup);
    struct spec *spec = &setup->spec;
    search_setup_need(spec_read(spec, NULL, settings, count, &error), &error);
    struct space_settings wanted = {.scale = spec->scale};
    setup->space = space_text
                       ? space_parse("test.yaml", space_text, strlen(space_text), &wanted, &error)
                       : spec_space(spec, &error);
    search_setup_need(setup->space != NULL, &error);
    setup->cost = search_cost_create(spec, setup->space, &error);
    search_setup_need(setup->cost != NULL, &error);
    search_setup_need(
        pipeline_open_data(spec, "data.train", spec->data.train, 0, &setup->train, &error) &&
            pipeline_open_data(spec, "data.valid", spec->data.valid, 0, &setup->valid, &error),
        &error);
    setup->search = (struct search){.spec = spec,
                                    .space = setup->space,
                                    .slots = space_slots(setup->space, &error),
                                    .train = &setup->train,
                                    .valid = &setup->valid,
                                    .cost = setup->cost};
}

void search_setup_close(struct search_setup *setup) {
    cost_model_free(setup->cost);
    dataset_free(&setup->train);
    dataset_free(&setup->valid);
    space_free(setup->space);
    spec_free(&setup->spec);
}
