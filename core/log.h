/* Messages and progress for people: on standard error, so that standard output stays for results.
 */
#ifndef TAMIS_CORE_LOG_H
#define TAMIS_CORE_LOG_H

#include <stdbool.h>

enum log_level { LOG_QUIET, LOG_NORMAL, LOG_DEBUG };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* One line each; the newline is added. A progress bar on the screen is erased first and redrawn. */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Shown at every level, even when quiet; red on a terminal. `error_print` uses it. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* True if standard error may be coloured: a terminal, and NO_COLOR is not set. */
bool log_has_color(void);

/*
 * Progress of one long job at a time. On a terminal a bar with the fraction, the detail text and
 * the time left, redrawn at most ten times a second; in a pipe one line when a job starts, about
 * every 30 seconds and at its end. Nothing when quiet.
 */
void progress_begin(const char *title, long total);
/* `done` of `total` units; `detail` is a printf text such as "loss 0.0312  entropy 1.93". */
void progress_update(long done, const char *format, ...) __attribute__((format(printf, 2, 3)));
void progress_end(void);

/* Seconds of a monotonic clock. */
double clock_seconds(void);

#endif
