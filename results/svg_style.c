#include "results/svg.h"

static const char *const light[SVG_COLORS] = {"#2563a8", "#c2501c", "#1c7a58", "#85499b",
                                              "#9a6b00", "#2b86ad", "#b2437a", "#6a7280"};
static const char *const dark[SVG_COLORS] = {"#6cb0f2", "#f28d58", "#52c79d", "#c694d9",
                                             "#e2b344", "#80cbea", "#ec8ab8", "#a5adb9"};

/* Each rule has a plain colour before the variable, for viewers that know no variables. */
void svg_style_write(struct text *out) {
    text_add(out, ":root{color-scheme:light dark;--ink:#1b2027;--soft:#5a6472;--rule:#dfe3e8;"
                  "--paper:#ffffff;--panel:#f6f7f9");
    for (int i = 0; i < SVG_COLORS; i++)
        text_format(out, ";--c%d:%s", i, light[i]);
    text_add(out, "}\n@media (prefers-color-scheme:dark){:root{--ink:#e5e9ee;--soft:#9ba5b2;"
                  "--rule:#323943;--paper:#14171b;--panel:#1c2026");
    for (int i = 0; i < SVG_COLORS; i++)
        text_format(out, ";--c%d:%s", i, dark[i]);
    text_add(out, "}}\n@media print{:root{color-scheme:light;--ink:#000;--soft:#444;--rule:#ccc;"
                  "--paper:#fff;--panel:#fff");
    for (int i = 0; i < SVG_COLORS; i++)
        text_format(out, ";--c%d:%s", i, light[i]);
    text_add(
        out,
        "}}\n"
        "svg{font-family:system-ui,-apple-system,\"Segoe UI\",\"DejaVu Sans\",Arial,sans-serif}\n"
        "svg .t{font-size:12px;fill:#1b2027;fill:var(--ink)}\n"
        "svg .soft{fill:#5a6472;fill:var(--soft)}\n"
        "svg .small{font-size:10.5px}\n"
        "svg .grid{stroke:#dfe3e8;stroke:var(--rule);fill:none;shape-rendering:crispEdges}\n"
        "svg .axis{stroke:#5a6472;stroke:var(--soft);fill:none;shape-rendering:crispEdges}\n"
        "svg .level{stroke:#5a6472;stroke:var(--soft);fill:none;stroke-dasharray:2 3}\n"
        "svg .line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-linecap:round}\n"
        "svg .dash{stroke-dasharray:6 4}\n"
        "svg .thin{stroke-width:1;stroke-opacity:.45}\n"
        "svg .thin:hover{stroke-width:2.5;stroke-opacity:1}\n"
        "svg .bar{fill:none;stroke-width:1.2}\n"
        "svg .hollow{fill:#ffffff;fill:var(--paper);stroke-width:2}\n"
        "svg .edge{fill:none;stroke:#5a6472;stroke:var(--soft);stroke-width:1.1}\n"
        "svg .head{fill:#5a6472;fill:var(--soft);stroke:none}\n"
        "svg .optional{stroke-dasharray:5 4}\n"
        "svg .node{fill-opacity:.10;stroke-opacity:.55;stroke-width:1}\n"
        "svg .slot{fill-opacity:.20;stroke-opacity:1;stroke-width:2}\n");
    for (int i = 0; i < SVG_COLORS; i++) {
        text_format(out, "svg .s%d{stroke:%s;stroke:var(--c%d)}svg .f%d{fill:%s;fill:var(--c%d)}\n",
                    i, light[i], i, i, light[i], i);
    }
}

char *svg_plot_file(const struct svg_plot *plot) {
    struct text drawing = {0};
    svg_plot_write(&drawing, plot);
    char *file = svg_file(&drawing);
    text_free(&drawing);
    return file;
}

char *svg_file(const struct text *element) {
    struct text out = {0};
    size_t head = 0;
    /* The style sheet goes right behind the opening tag. */
    while (head < element->length && element->data[head] != '>')
        head++;
    if (head < element->length) head++;
    text_add_bytes(&out, element->data, head);
    text_add(&out, "\n<style>\nsvg{background:#ffffff;background:var(--paper)}\n");
    svg_style_write(&out);
    text_add(&out, "</style>");
    text_add_bytes(&out, element->data + head, element->length - head);
    return text_take(&out);
}
