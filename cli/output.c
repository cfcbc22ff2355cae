#include "cli/output.h"
#include "core/json.h"
#include "results/result_table.h"
#include <math.h>
#include <stdio.h>

void output_table(struct table *table) {
    char *text = table_text(table, table_terminal_width());
    fputs(text, stdout);
    memory_free(text);
    table_free(table);
}

void output_results(const struct result_list *results) {
    struct table table = {0};
    result_table(results, &table);
    output_table(&table);
    char *notes = result_notes(results);
    printf("\n%s", notes);
    memory_free(notes);
}

json_t *output_number(double value) {
    const double exact = 9007199254740992.0; /* 2^53 */
    if (value == floor(value) && fabs(value) <= exact) return json_integer((json_int_t)value);
    return json_number(value);
}

json_t *output_text(const char *text) {
    json_t *value = json_string(text);
    return value ? value : json_string("(not UTF-8)");
}
