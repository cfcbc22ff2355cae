#include "results/svg.h"

#include "core/memory.h"
#include "results/axis.h"
#include "results/label.h"
#include <math.h>
#include <string.h>

enum { FONT = 12, LEGEND_ROW = 20, LEGEND_KEY = 22, LEGEND_GAP = 18 };

/* The inner frame of a plot in pixels, and its axes. */
struct frame {
    double left;
    double top;
    double right;
    double bottom;
    struct axis x;
    struct axis y;
};

static double frame_x(const struct frame *frame, double value) {
    return frame->left + axis_fraction(&frame->x, value) * (frame->right - frame->left);
}

static double frame_y(const struct frame *frame, double value) {
    return frame->bottom - axis_fraction(&frame->y, value) * (frame->bottom - frame->top);
}

static bool drawable(double value, bool log) {
    return isfinite(value) && (!log || value > 0);
}

struct range {
    double low;
    double high;
};

static void range_add(struct range *range, double value, bool log) {
    if (!drawable(value, log)) return;
    if (!(value >= range->low)) range->low = value;
    if (!(value <= range->high)) range->high = value;
}

static bool plot_ranges(const struct svg_plot *plot, struct range *x, struct range *y) {
    *x = *y = (struct range){NAN, NAN};
    for (size_t i = 0; i < plot->line_count; i++) {
        const struct svg_line *line = &plot->lines[i];
        for (size_t k = 0; k < line->count; k++) {
            if (!drawable(line->x[k], plot->x_log) || !drawable(line->y[k], plot->y_log)) continue;
            range_add(x, line->x[k], plot->x_log);
            range_add(y, line->y[k], plot->y_log);
        }
    }
    for (size_t i = 0; i < plot->point_count; i++) {
        const struct svg_point *point = &plot->points[i];
        if (!drawable(point->x, plot->x_log) || !drawable(point->y, plot->y_log)) continue;
        range_add(x, point->x, plot->x_log);
        range_add(y, point->y, plot->y_log);
        range_add(y, point->low, plot->y_log);
        range_add(y, point->high, plot->y_log);
    }
    bool any = isfinite(x->low) && isfinite(y->low);
    for (size_t i = 0; i < plot->level_count; i++)
        range_add(y, plot->levels[i].y, plot->y_log);
    return any;
}

static void add_text(struct text *out, double x, double y, const char *anchor, const char *class,
                     const char *text) {
    text_format(out, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", class, x, y,
                anchor);
    text_add_escaped(out, text);
    text_add(out, "</text>\n");
}

static void add_title(struct text *out, const char *title) {
    if (!title) return;
    text_add(out, "<title>");
    text_add_escaped(out, title);
    text_add(out, "</title>");
}

static const char *style_class(enum svg_style style) {
    return style == SVG_DASHED ? " dash" : style == SVG_THIN ? " thin" : "";
}

static int color_of(int color) {
    return color >= 0 && color < SVG_COLORS ? color : 0;
}

/* A lone line needs no legend: the plot's heading says what it is. */
static bool in_legend(const struct svg_plot *plot, const struct svg_line *line) {
    return plot->line_count + plot->point_count > 1 && line->name && line->style != SVG_THIN &&
           line->count > 0;
}

/* Lays the legend out in rows from `left`; returns the rows. Draws it unless `out` is NULL. */
static int write_legend(struct text *out, const struct svg_plot *plot, double left, double right,
                        double top) {
    double x = left;
    int row = 0;
    bool any = false;
    for (size_t i = 0; i < plot->line_count; i++) {
        const struct svg_line *line = &plot->lines[i];
        if (!in_legend(plot, line)) continue;
        double width = LEGEND_KEY + label_width(line->name, FONT);
        if (any && x + width > right) {
            x = left;
            row++;
        }
        any = true;
        if (out) {
            double y = top + row * LEGEND_ROW;
            text_format(out, "<path class=\"line s%d%s\" d=\"M%.1f,%.1fh%d\"/>",
                        color_of(line->color), style_class(line->style), x, y, LEGEND_KEY - 6);
            add_text(out, x + LEGEND_KEY, y + 4, "start", "t", line->name);
        }
        x += width + LEGEND_GAP;
    }
    return any ? row + 1 : 0;
}

static void write_axes(struct text *out, const struct svg_plot *plot, const struct frame *frame) {
    for (int i = 0; i < frame->y.tick_count; i++) {
        double y = frame_y(frame, frame->y.ticks[i]);
        text_format(out, "<path class=\"grid\" d=\"M%.1f,%.1fH%.1f\"/>", frame->left, y,
                    frame->right);
        add_text(out, frame->left - 8, y + 4, "end", "t soft", frame->y.texts[i]);
    }
    for (int i = 0; i < frame->x.tick_count; i++) {
        double x = frame_x(frame, frame->x.ticks[i]);
        text_format(out, "<path class=\"axis\" d=\"M%.1f,%.1fv5\"/>", x, frame->bottom);
        add_text(out, x, frame->bottom + 19, "middle", "t soft", frame->x.texts[i]);
    }
    text_format(out, "<path class=\"axis\" d=\"M%.1f,%.1fH%.1f\"/>\n", frame->left, frame->bottom,
                frame->right);
    if (plot->x_label) {
        add_text(out, (frame->left + frame->right) / 2, frame->bottom + 38, "middle", "t",
                 plot->x_label);
    }
    if (plot->y_label) add_text(out, 2, 13, "start", "t", plot->y_label);
}

/* One stroke of a line: the points that share a pixel column are cut to first, least, greatest,
 * last. */
struct pen {
    struct text *out;
    bool down;
    enum svg_style style;
    double column;
    double low;
    double high;
    double last;
    double last_x;
    size_t held;
};

static void pen_to(struct pen *pen, double x, double y) {
    if (pen->down && pen->style == SVG_STEPS) {
        text_format(pen->out, "H%.1fV%.1f", x, y);
    } else {
        text_format(pen->out, "%c%.1f,%.1f", pen->down ? 'L' : 'M', x, y);
    }
    pen->down = true;
}

static void pen_release(struct pen *pen) {
    if (pen->held > 1) {
        if (pen->low < pen->last) pen_to(pen, pen->last_x, pen->low);
        if (pen->high > pen->last) pen_to(pen, pen->last_x, pen->high);
        pen_to(pen, pen->last_x, pen->last);
    }
    pen->held = 0;
}

static void pen_add(struct pen *pen, double x, double y, bool thinned) {
    if (!thinned) {
        pen_to(pen, x, y);
        return;
    }
    if (pen->held == 0 || floor(x) != pen->column) {
        pen_release(pen);
        pen_to(pen, x, y);
        pen->column = floor(x);
        pen->low = pen->high = y;
    }
    pen->low = fmin(pen->low, y);
    pen->high = fmax(pen->high, y);
    pen->last = y;
    pen->last_x = x;
    pen->held++;
}

static void write_line(struct text *out, const struct svg_plot *plot, const struct frame *frame,
                       const struct svg_line *line) {
    if (line->count == 0) return;
    struct pen pen = {.out = out, .style = line->style};
    bool thinned =
        line->style != SVG_STEPS && (double)line->count > 2 * (frame->right - frame->left);
    text_format(out, "<path class=\"line s%d%s\" d=\"", color_of(line->color),
                style_class(line->style));
    bool any = false;
    for (size_t i = 0; i < line->count; i++) {
        if (!drawable(line->x[i], plot->x_log) || !drawable(line->y[i], plot->y_log)) {
            pen_release(&pen);
            pen.down = false;
            continue;
        }
        any = true;
        pen_add(&pen, frame_x(frame, line->x[i]), frame_y(frame, line->y[i]), thinned);
    }
    pen_release(&pen);
    text_add(out, any ? "\">" : "M0,0\">");
    add_title(out, line->name);
    text_add(out, "</path>\n");
}

static void write_level(struct text *out, const struct frame *frame, const struct svg_level *level,
                        struct label_places *places) {
    double y = frame_y(frame, level->y);
    text_format(out, "<path class=\"level\" d=\"M%.1f,%.1fH%.1f\"/>", frame->left, y, frame->right);
    if (!level->label) return;
    double width = label_width(level->label, FONT);
    label_occupy(places, (struct label_box){frame->right - width, y - 16, frame->right, y + 1});
    add_text(out, frame->right, y - 5, "end", "t soft", level->label);
}

static void write_mark(struct text *out, const struct frame *frame, const struct svg_point *point) {
    double x = frame_x(frame, point->x);
    double y = frame_y(frame, point->y);
    int color = color_of(point->color);
    if (drawable(point->low, frame->y.log) && drawable(point->high, frame->y.log)) {
        text_format(out, "<path class=\"bar s%d\" d=\"M%.1f,%.1fV%.1fm-4,0h8M%.1f,%.1fh8\"/>",
                    color, x, frame_y(frame, point->low), frame_y(frame, point->high), x - 4,
                    frame_y(frame, point->low));
    }
    text_format(out, "<circle class=\"%s%d\" cx=\"%.1f\" cy=\"%.1f\" r=\"5\">",
                point->hollow ? "hollow s" : "f", color, x, y);
    add_title(out, point->hint ? point->hint : point->label);
    text_add(out, "</circle>\n");
}

static bool point_drawable(const struct svg_plot *plot, const struct svg_point *point) {
    return drawable(point->x, plot->x_log) && drawable(point->y, plot->y_log);
}

/* The steps of a front keep labels off. */
static void occupy_steps(const struct svg_plot *plot, const struct frame *frame,
                         struct label_places *places) {
    for (size_t i = 0; i < plot->line_count; i++) {
        const struct svg_line *line = &plot->lines[i];
        for (size_t k = 1; line->style == SVG_STEPS && k < line->count; k++) {
            double x = frame_x(frame, line->x[k - 1]);
            double y = frame_y(frame, line->y[k - 1]);
            double next_x = frame_x(frame, line->x[k]);
            double next_y = frame_y(frame, line->y[k]);
            label_occupy(places, (struct label_box){x, y - 4, next_x, y + 4});
            label_occupy(places, (struct label_box){next_x - 4, fmin(y, next_y), next_x + 4,
                                                    fmax(y, next_y)});
        }
    }
}

static void write_points(struct text *out, const struct svg_plot *plot, const struct frame *frame,
                         struct label_places *places) {
    for (size_t i = 0; i < plot->point_count; i++) {
        if (!point_drawable(plot, &plot->points[i])) continue;
        double x = frame_x(frame, plot->points[i].x);
        double y = frame_y(frame, plot->points[i].y);
        write_mark(out, frame, &plot->points[i]);
        label_occupy(places, (struct label_box){x - 6, y - 6, x + 6, y + 6});
    }
    for (size_t i = 0; i < plot->point_count; i++) {
        const struct svg_point *point = &plot->points[i];
        if (!point->label || !point_drawable(plot, point)) continue;
        struct label_box box = label_place(places, frame_x(frame, point->x),
                                           frame_y(frame, point->y), point->label, FONT);
        add_text(out, box.left, box.bottom - 4, "start", "t", point->label);
    }
}

/* Room for the longest text of the y axis. */
static double left_margin(const struct axis *y) {
    double widest = 0;
    for (int i = 0; i < y->tick_count; i++)
        widest = fmax(widest, label_width(y->texts[i], FONT));
    return widest + 14;
}

void svg_plot_write(struct text *out, const struct svg_plot *plot) {
    int width = plot->width > 0 ? plot->width : 640;
    int height = plot->height > 0 ? plot->height : 360;
    text_format(out,
                "<svg class=\"plot\" xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
                "width=\"%d\" height=\"%d\" role=\"img\">\n",
                width, height, width, height);
    add_title(out, plot->title);
    struct range x;
    struct range y;
    if (!plot_ranges(plot, &x, &y)) {
        add_text(out, width / 2.0, height / 2.0, "middle", "t soft", "no data");
        text_add(out, "</svg>\n");
        return;
    }
    struct frame frame = {.right = width - 14};
    frame.x = axis_over(x.low, x.high, plot->x_log, width / 90);
    frame.y = axis_over(y.low, y.high, plot->y_log, height / 48);
    frame.left = left_margin(&frame.y);
    double label = plot->y_label ? label_width(plot->y_label, FONT) + 30 : 0;
    double legend_left = fmax(frame.left, label);
    int rows = write_legend(NULL, plot, legend_left, frame.right, 9);
    if (rows == 0 && plot->y_label) rows = 1;
    frame.top = rows * LEGEND_ROW + 8;
    frame.bottom = height - (plot->x_label ? 48 : 28);
    write_axes(out, plot, &frame);
    write_legend(out, plot, legend_left, frame.right, 9);
    struct label_places places = {
        .left = frame.left, .right = width, .top = frame.top - 4, .bottom = frame.bottom};
    for (size_t i = 0; i < plot->level_count; i++) {
        if (drawable(plot->levels[i].y, plot->y_log)) {
            write_level(out, &frame, &plot->levels[i], &places);
        }
    }
    /* Faint lines below the others, whatever their order. */
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < plot->line_count; i++) {
            if ((plot->lines[i].style == SVG_THIN) == (pass == 0)) {
                write_line(out, plot, &frame, &plot->lines[i]);
            }
        }
    }
    occupy_steps(plot, &frame, &places);
    write_points(out, plot, &frame, &places);
    label_free(&places);
    text_add(out, "</svg>\n");
}
