/* Small plots as SVG: lines, points with labels and error bars, horizontal references. */
#ifndef TAMIS_RESULTS_SVG_H
#define TAMIS_RESULTS_SVG_H

#include "results/text.h"
#include <stdbool.h>
#include <stddef.h>

enum svg_style {
    SVG_SOLID,
    SVG_DASHED,
    SVG_STEPS, /* horizontal, then vertical: a Pareto front */
    SVG_THIN   /* one of many: faint, and not in the legend */
};

/* Colours are the indices 0..7 of a palette that is legible on light and dark pages. */
enum { SVG_COLORS = 8 };

struct svg_line {
    const char *name; /* in the legend; NULL for none. Shown when the mouse is over the line. */
    const double *x; /* points that are not finite, or not positive on a log axis, break the line */
    const double *y;
    size_t count;
    enum svg_style style;
    int color;
};

struct svg_point {
    double x;
    double y;
    double low; /* error bar; both NaN for none */
    double high;
    const char *label; /* beside the point; NULL for none */
    const char *hint;  /* shown when the mouse is over it; NULL for none */
    int color;
    bool hollow;
};

struct svg_level {
    double y;
    const char *label;
};

struct svg_plot {
    const char *title; /* for screen readers; the heading of a page says it to everyone else */
    const char *x_label;
    const char *y_label;
    int width; /* pixels of the drawing; a page scales it; 0 gives 640 x 360 */
    int height;
    bool x_log;
    bool y_log;
    const struct svg_line *lines;
    size_t line_count;
    const struct svg_point *points;
    size_t point_count;
    const struct svg_level *levels; /* horizontal reference lines */
    size_t level_count;
};

/* Adds the <svg> element. With nothing finite to draw it says "no data". Long lines are thinned to
 * the resolution of the plot, their extremes kept. */
void svg_plot_write(struct text *out, const struct svg_plot *plot);
/* The style sheet that plots and drawings need, with the colours of light and dark pages: once a
 * page within <style>. */
void svg_style_write(struct text *out);
/* The plot as a file of its own, with its style sheet. New string, free with memory_free. */
char *svg_plot_file(const struct svg_plot *plot);
/* Any <svg> element as a file of its own, with the style sheet. New string, free with memory_free.
 */
char *svg_file(const struct text *element);

#endif
