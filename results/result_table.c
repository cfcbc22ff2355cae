#include "results/result_table.h"

#include "results/text.h"
#include "results/units.h"
#include <string.h>

static bool same_text(const char *left, const char *right) {
    return left == right || (left && right && strcmp(left, right) == 0);
}

static bool data_differs(const struct result_list *list) {
    for (size_t i = 1; i < list->count; i++) {
        if (!same_text(list->items[i].data, list->items[0].data)) return true;
    }
    return false;
}

void result_table(const struct result_list *list, struct table *table) {
    bool data = data_differs(list);
    table_column(table, "network", TABLE_LEFT);
    if (data) table_column(table, "data", TABLE_LEFT);
    table_column(table, "bits", TABLE_LEFT);
    table_column(table, "PSNR Y", TABLE_RIGHT);
    table_column(table, "SSIM Y", TABLE_RIGHT);
    table_column(table, "PSNR RGB", TABLE_RIGHT);
    table_column(table, "BitOps", TABLE_RIGHT);
    table_column(table, "parameters", TABLE_RIGHT);
    table_column(table, "size", TABLE_RIGHT);
    char buffer[UNITS_BYTES];
    for (size_t i = 0; i < list->count; i++) {
        const struct result *result = &list->items[i];
        table_cell(table, result->name ? result->name : result_kind_name(result->kind));
        if (data) table_cell(table, result->data);
        table_cell(table, result->bits ? result->bits : "–");
        table_cell(table, units_psnr(result->scores.psnr_y, buffer));
        table_cell(table, units_ssim(result->scores.ssim_y, buffer));
        table_cell(table, units_psnr(result->scores.psnr_rgb, buffer));
        table_cell(table, units_operations(result->bitops, buffer));
        table_cell(table, units_count(result->parameters, buffer));
        table_cell(table, units_file_size(result->bytes, buffer));
    }
}

void result_image_table(const struct result *result, struct table *table) {
    table_column(table, "image", TABLE_LEFT);
    table_column(table, "PSNR Y", TABLE_RIGHT);
    table_column(table, "SSIM Y", TABLE_RIGHT);
    table_column(table, "PSNR RGB", TABLE_RIGHT);
    table_column(table, "SSIM RGB", TABLE_RIGHT);
    char buffer[UNITS_BYTES];
    for (size_t i = 0; i < result->image_count; i++) {
        const struct result_scores *scores = &result->images[i].scores;
        table_cell(table, result->images[i].name);
        table_cell(table, units_psnr(scores->psnr_y, buffer));
        table_cell(table, units_ssim(scores->ssim_y, buffer));
        table_cell(table, units_psnr(scores->psnr_rgb, buffer));
        table_cell(table, units_ssim(scores->ssim_rgb, buffer));
    }
}

/* The text of a field of a result, chosen by its place in the notes. */
static const char *note_field(const struct result *result, int which) {
    const char *const fields[] = {result->data, result->protocol, result->input, result->coverage};
    return fields[which];
}

char *result_notes(const struct result_list *list) {
    static const char *const titles[] = {"Data", "Protocol", "LR input of the costs",
                                         "Costs count"};
    struct text out = {0};
    for (int which = 0; which < 4; which++) {
        bool first = true;
        for (size_t i = 0; i < list->count; i++) {
            const char *note = note_field(&list->items[i], which);
            bool repeated = !note;
            for (size_t k = 0; k < i && !repeated; k++)
                repeated = same_text(note_field(&list->items[k], which), note);
            if (repeated) continue;
            text_format(&out, "%s%s%s", first ? titles[which] : "", first ? ": " : "; ", note);
            first = false;
        }
        if (!first) text_add(&out, ".\n");
    }
    return text_take(&out);
}
