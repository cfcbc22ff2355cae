#include "results/report.h"

#include "core/file.h"
#include "results/report_parts.h"
#include "results/svg.h"
#include <math.h>
#include <string.h>

static void report_top(struct text *out, const struct report_facts *facts) {
    text_add(out, "<header>\n<h1>");
    text_add_escaped(out, facts->title ? facts->title : "Tamis run");
    text_add(out, "</h1>\n");
    if (facts->date || facts->version) {
        text_add(out, "<p class=\"note\">");
        text_add_escaped(out, facts->date);
        text_add(out, facts->date && facts->version ? " · Tamis " : facts->version ? "Tamis " : "");
        text_add_escaped(out, facts->version);
        text_add(out, "</p>\n");
    }
    for (size_t i = 0; i < facts->warning_count; i++) {
        text_add(out, "<p class=\"warning\" role=\"note\">");
        text_add_escaped(out, facts->warnings[i]);
        text_add(out, "</p>\n");
    }
    report_headline(out, facts);
    if (facts->summary_count) {
        text_add(out, "<dl class=\"facts\">\n");
        for (size_t i = 0; i < facts->summary_count; i++) {
            text_add(out, "<div><dt>");
            text_add_escaped(out, facts->summary[i].label);
            text_add(out, "</dt><dd>");
            text_add_escaped(out, facts->summary[i].value);
            text_add(out, "</dd></div>\n");
        }
        text_add(out, "</dl>\n");
    }
    text_add(out, "</header>\n");
}

static void report_plot_write(struct text *out, const struct report_plot *plot) {
    struct svg_line *lines = memory_allocate(plot->series_count * sizeof *lines);
    int color = 0;
    size_t bold = 0;
    for (size_t i = 0; i < plot->series_count; i++)
        bold += !plot->series[i].faint;
    for (size_t i = 0; i < plot->series_count; i++) {
        const struct report_series *series = &plot->series[i];
        lines[i] = (struct svg_line){
            .name = series->name,
            .x = series->x,
            .y = series->y,
            .count = series->count,
            .style = series->faint ? SVG_THIN : SVG_SOLID,
        };
        /* A lone pair of raw and smoothed curve shares a colour; many faint curves take turns. */
        if (series->faint) {
            lines[i].color = plot->series_count - bold <= 1 ? 0 : (int)(i % SVG_COLORS);
        } else {
            lines[i].color = color++ % SVG_COLORS;
        }
    }
    struct svg_plot svg = {
        .title = plot->heading,
        .x_label = plot->x_label,
        .y_label = plot->y_label,
        .width = 520,
        .height = 290,
        .y_log = plot->y_log,
        .lines = lines,
        .line_count = plot->series_count,
    };
    text_add(out, "<figure>\n<h3>");
    text_add_escaped(out, plot->heading);
    text_add(out, "</h3>\n");
    svg_plot_write(out, &svg);
    if (plot->caption) {
        text_add(out, "<figcaption>");
        text_add_escaped(out, plot->caption);
        text_add(out, "</figcaption>");
    }
    text_add(out, "</figure>\n");
    memory_free(lines);
}

void report_curves(struct text *out, const struct report_facts *facts) {
    if (facts->plot_count == 0) return;
    text_add(out, "<h2>Training</h2>\n<div class=\"plots\">\n");
    for (size_t i = 0; i < facts->plot_count; i++)
        report_plot_write(out, &facts->plots[i]);
    text_add(out, "</div>\n");
}

static void report_slot_write(struct text *out, const struct report_slot *slot) {
    text_add(out, "<div class=\"pick\"><h3>");
    text_add_escaped(out, slot->name);
    text_add(out, "</h3>\n");
    for (size_t i = 0; i < slot->count; i++) {
        double share = slot->probabilities[i];
        if (!(share >= 0)) share = 0;
        if (share > 1) share = 1;
        text_add(out, i == slot->chosen ? "<div class=\"chosen\">" : "<div>");
        text_add(out, "<span class=\"name\" title=\"");
        text_add_escaped(out, slot->candidates[i]);
        text_add(out, "\">");
        text_add_escaped(out, slot->candidates[i]);
        text_format(out,
                    "</span><span class=\"bar\"><i style=\"width:%.1f%%\"></i></span>"
                    "<span class=\"value\">%.2f</span></div>\n",
                    share * 100, share);
    }
    text_add(out, "</div>\n");
}

static void report_listing(struct text *out, const char *name, const char *content) {
    if (!content) return;
    text_format(out, "<details><summary>%s</summary><pre><code>", name);
    text_add_escaped(out, content);
    text_add(out, "</code></pre></details>\n");
}

bool report_architecture(struct text *out, const struct report_facts *facts, struct error *error) {
    bool drawing = facts->drawing && facts->drawing->node_count > 0;
    if (!drawing && facts->slot_count == 0 && !facts->architecture) return true;
    text_add(out, "<h2>Architecture</h2>\n");
    if (drawing) {
        text_add(out,
                 "<p class=\"note\"><span class=\"key\"></span> strong frames are choices that "
                 "the search made.</p>\n<figure class=\"scroll\">\n");
        if (!drawing_svg(out, facts->drawing, error)) return false;
        text_add(out, "</figure>\n");
    }
    report_listing(out, "arch.yaml", facts->architecture);
    if (facts->slot_count) {
        text_add(out, "<h3>Final probabilities of every slot</h3>\n<div class=\"slots\">\n");
        for (size_t i = 0; i < facts->slot_count; i++)
            report_slot_write(out, &facts->slots[i]);
        text_add(out, "</div>\n");
    }
    return true;
}

void report_images(struct text *out, const struct report_facts *facts) {
    if (facts->image_count == 0) return;
    text_add(out, "<h2>Images</h2>\n");
    for (size_t i = 0; i < facts->image_count; i++) {
        const struct report_crops *row = &facts->images[i];
        text_add(out, "<h3>");
        text_add_escaped(out, row->name);
        text_add(out, "</h3>\n<div class=\"crops\">\n");
        for (size_t k = 0; k < row->count; k++) {
            const struct report_crop *crop = &row->crops[k];
            text_add(out, "<figure><img alt=\"");
            text_add_escaped(out, row->name);
            text_add(out, ", ");
            text_add_escaped(out, crop->label);
            text_add(out, "\" src=\"data:image/png;base64,");
            text_add_base64(out, crop->png, crop->png_bytes);
            text_add(out, "\"><figcaption><b>");
            text_add_escaped(out, crop->label);
            text_add(out, "</b>");
            text_add_escaped(out, crop->caption);
            text_add(out, "</figcaption></figure>\n");
        }
        text_add(out, "</div>\n");
    }
}

static void report_reproduce(struct text *out, const struct report_facts *facts) {
    if (!facts->command && !facts->spec) return;
    text_add(out, "<h2>Make this run again</h2>\n");
    if (facts->command) {
        text_add(out, "<p>The same command, spec and seed give the same bits on any number of "
                      "threads.</p>\n<pre><code>");
        text_add_escaped(out, facts->command);
        text_add(out, "</code></pre>\n");
    }
    report_listing(out, "spec.yaml", facts->spec);
}

char *report_html(const struct report_facts *facts, struct error *error) {
    struct text out = {0};
    text_add(&out,
             "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>");
    text_add_escaped(&out, facts->title ? facts->title : "Tamis run");
    text_add(&out, "</title>\n<style>\n");
    report_style(&out);
    text_add(&out, "</style>\n</head>\n<body>\n");
    report_top(&out, facts);
    text_add(&out, "<main>\n");
    report_results(&out, facts);
    report_tradeoff(&out, facts);
    report_images(&out, facts);
    bool good = report_architecture(&out, facts, error);
    report_curves(&out, facts);
    report_image_scores(&out, facts);
    report_reproduce(&out, facts);
    text_add(&out, "</main>\n<footer><p class=\"note\">PSNR in dB, more is better; BitOps are "
                   "multiplications times weight bits times activation bits, fewer are "
                   "better.</p></footer>\n</body>\n</html>\n");
    if (good) return text_take(&out);
    text_free(&out);
    return NULL;
}

bool report_write(const char *path, const struct report_facts *facts, struct error *error) {
    char *page = report_html(facts, error);
    if (!page) return false;
    bool good = file_write(path, page, strlen(page), error);
    memory_free(page);
    return good;
}
