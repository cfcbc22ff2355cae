#include "core/log.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { DETAIL_BYTES = 256, LINE_BYTES = 512, TITLE_BYTES = 64, BAR_CELLS = 24 };
static const double terminal_interval = 0.1; /* seconds between two drawings */
static const double pipe_interval = 30.0;

/* Standard error belongs to the whole process, and so does this state; the lock guards both. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_level current_level = LOG_NORMAL;
static struct {
    bool active;
    bool drawn;     /* the bar is on the screen now */
    bool estimated; /* `first_done` is known */
    char title[TITLE_BYTES];
    char detail[DETAIL_BYTES];
    long total, done, first_done;
    double started, first_time, last_draw;
} progress;

void log_set_level(enum log_level level) {
    pthread_mutex_lock(&lock);
    current_level = level;
    pthread_mutex_unlock(&lock);
}

enum log_level log_get_level(void) {
    pthread_mutex_lock(&lock);
    enum log_level level = current_level;
    pthread_mutex_unlock(&lock);
    return level;
}

double clock_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* A terminal that can erase a line. */
static bool is_terminal(void) {
    const char *kind = getenv("TERM");
    return isatty(STDERR_FILENO) && !(kind && strcmp(kind, "dumb") == 0);
}

bool log_has_color(void) {
    const char *no_color = getenv("NO_COLOR");
    return is_terminal() && !(no_color && no_color[0]);
}

static int terminal_width(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    return 80;
}

static void erase_bar(void) {
    if (!progress.drawn) return;
    fputs("\r\033[K", stderr);
    progress.drawn = false;
}

static void format_duration(double seconds, char *text, size_t size) {
    if (seconds < 0) seconds = 0;
    if (seconds > 359999) seconds = 359999;
    int whole = (int)(seconds + 0.5);
    if (whole >= 3600)
        snprintf(text, size, "%d h %02d min", whole / 3600, whole / 60 % 60);
    else if (whole >= 60)
        snprintf(text, size, "%d min %02d s", whole / 60, whole % 60);
    else
        snprintf(text, size, "%d s", whole);
}

static int percent_done(void) {
    if (progress.total <= 0 || progress.done <= 0) return 0;
    if (progress.done >= progress.total) return 100;
    return (int)(100.0 * (double)progress.done / (double)progress.total);
}

/* "  2 min 10 s left", or nothing while it cannot be known. Work that was done before the first
 * update (of a resumed job) does not count for the speed. */
static void format_time_left(double now, char *text, size_t size) {
    text[0] = '\0';
    long since = progress.done - progress.first_done;
    if (!progress.estimated || since <= 0 || progress.done >= progress.total) return;
    double left =
        (now - progress.first_time) / (double)since * (double)(progress.total - progress.done);
    char duration[32];
    format_duration(left, duration, sizeof duration);
    snprintf(text, size, "  %s left", duration);
}

/* Cuts after `columns` characters, between characters of UTF-8. */
static void cut_to_columns(char *line, int columns) {
    int seen = 0;
    for (char *c = line; *c; c++) {
        if (((unsigned char)*c & 0xc0) == 0x80) continue;
        if (seen++ == columns) {
            *c = '\0';
            return;
        }
    }
}

static void draw_bar(double now) {
    char left[64], bar[BAR_CELLS + 1], line[LINE_BYTES];
    int percent = percent_done();
    int full = percent * BAR_CELLS / 100;
    memset(bar, '#', (size_t)full);
    memset(bar + full, '.', (size_t)(BAR_CELLS - full));
    bar[BAR_CELLS] = '\0';
    format_time_left(now, left, sizeof left);
    snprintf(line, sizeof line, "%s [%s] %3d %%%s%s%s", progress.title, bar, percent,
             progress.detail[0] ? "  " : "", progress.detail, left);
    /* A line as wide as the terminal would wrap, and then could not be erased. */
    cut_to_columns(line, terminal_width() - 1);
    fprintf(stderr, "\r%s\033[K", line);
    progress.drawn = true;
}

static void print_state(double now) {
    char left[64];
    format_time_left(now, left, sizeof left);
    fprintf(stderr, "%s: %d %% (%ld of %ld)%s%s%s\n", progress.title, percent_done(), progress.done,
            progress.total, progress.detail[0] ? "  " : "", progress.detail, left);
}

static void write_line(const char *color, const char *prefix, const char *format,
                       va_list arguments) {
    bool colored = color && log_has_color();
    bool redraw = progress.drawn;
    erase_bar();
    if (colored) fputs(color, stderr);
    fputs(prefix, stderr);
    vfprintf(stderr, format, arguments);
    fputs(colored ? "\033[0m\n" : "\n", stderr);
    if (redraw) draw_bar(clock_seconds());
    fflush(stderr);
}

void log_info(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&lock);
    if (current_level >= LOG_NORMAL) write_line(NULL, "", format, arguments);
    pthread_mutex_unlock(&lock);
    va_end(arguments);
}

void log_warn(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&lock);
    if (current_level >= LOG_NORMAL) write_line("\033[33m", "warning: ", format, arguments);
    pthread_mutex_unlock(&lock);
    va_end(arguments);
}

void log_error(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&lock);
    write_line("\033[31m", "", format, arguments);
    pthread_mutex_unlock(&lock);
    va_end(arguments);
}

void log_debug(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&lock);
    if (current_level >= LOG_DEBUG) write_line(NULL, "debug: ", format, arguments);
    pthread_mutex_unlock(&lock);
    va_end(arguments);
}

void progress_begin(const char *title, long total) {
    pthread_mutex_lock(&lock);
    erase_bar();
    memset(&progress, 0, sizeof progress);
    progress.active = true;
    snprintf(progress.title, sizeof progress.title, "%s", title);
    progress.total = total;
    progress.started = progress.last_draw = clock_seconds();
    if (current_level >= LOG_NORMAL) {
        if (is_terminal())
            draw_bar(progress.started);
        else
            fprintf(stderr, "%s ...\n", title);
        fflush(stderr);
    }
    pthread_mutex_unlock(&lock);
}

void progress_update(long done, const char *format, ...) {
    pthread_mutex_lock(&lock);
    if (progress.active && current_level >= LOG_NORMAL) {
        double now = clock_seconds();
        bool terminal = is_terminal();
        progress.done = done;
        if (!progress.estimated) {
            progress.estimated = true;
            progress.first_done = done;
            progress.first_time = now;
        }
        double interval = terminal ? terminal_interval : pipe_interval;
        bool due = now - progress.last_draw >= interval;
        /* The last update's detail is shown by progress_end. */
        if (due || done >= progress.total) {
            va_list arguments;
            va_start(arguments, format);
            vsnprintf(progress.detail, sizeof progress.detail, format, arguments);
            va_end(arguments);
        }
        if (due) {
            progress.last_draw = now;
            if (terminal)
                draw_bar(now);
            else
                print_state(now);
            fflush(stderr);
        }
    }
    pthread_mutex_unlock(&lock);
}

void progress_end(void) {
    pthread_mutex_lock(&lock);
    if (progress.active && current_level >= LOG_NORMAL) {
        char duration[32];
        format_duration(clock_seconds() - progress.started, duration, sizeof duration);
        erase_bar();
        if (progress.done >= progress.total)
            fprintf(stderr, "%s: done in %s%s%s\n", progress.title, duration,
                    progress.detail[0] ? "  " : "", progress.detail);
        else
            fprintf(stderr, "%s: stopped at %d %% after %s\n", progress.title, percent_done(),
                    duration);
        fflush(stderr);
    }
    progress.active = false;
    progress.drawn = false;
    pthread_mutex_unlock(&lock);
}
