#include "results/journal.h"

#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static bool journal_failed(const char *path, const char *what, struct error *error) {
    return error_add(error, ERROR_FAILED, "the journal \"%s\" cannot be %s: %s", path, what,
                     strerror(errno));
}

/* Cuts off what follows the last line break. */
static bool journal_repair(struct journal *journal, struct error *error) {
    struct stat status;
    if (fstat(journal->file, &status) != 0) return journal_failed(journal->path, "read", error);
    off_t end = status.st_size;
    off_t keep = 0;
    char block[4096];
    while (end > 0 && keep == 0) {
        off_t begin = end > (off_t)sizeof block ? end - (off_t)sizeof block : 0;
        ssize_t length = pread(journal->file, block, (size_t)(end - begin), begin);
        if (length != (ssize_t)(end - begin)) return journal_failed(journal->path, "read", error);
        for (ssize_t i = length; i > 0 && keep == 0; i--) {
            if (block[i - 1] == '\n') keep = begin + i;
        }
        end = begin;
    }
    if (keep == status.st_size) return true;
    if (ftruncate(journal->file, keep) != 0)
        return journal_failed(journal->path, "repaired", error);
    return true;
}

bool journal_open(struct journal *journal, const char *path, struct error *error) {
    *journal = (struct journal){.file = -1};
    size_t length = strlen(path);
    journal->path = memory_allocate(length + 1);
    memcpy(journal->path, path, length + 1);
    journal->file = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (journal->file < 0) {
        journal_failed(path, "opened", error);
    } else if (journal_repair(journal, error)) {
        return true;
    }
    journal_close(journal);
    return false;
}

static int journal_collect(const char *bytes, size_t size, void *line) {
    text_add_bytes(line, bytes, size);
    return 0;
}

/* A line goes out in one write, so that a kill can tear only the last one. */
static bool journal_put(struct journal *journal, struct error *error) {
    const char *data = journal->line.data;
    size_t left = journal->line.length;
    while (left > 0) {
        ssize_t written = write(journal->file, data, left);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return journal_failed(journal->path, "written", error);
        data += written;
        left -= (size_t)written;
    }
    return true;
}

bool journal_write(struct journal *journal, const char *event, json_t *fields,
                   struct error *error) {
    if (journal->file < 0) {
        json_decref(fields);
        return error_add(error, ERROR_FAILED, "the journal is not open");
    }
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    double seconds = (double)now.tv_sec + (double)(now.tv_nsec / 1000000) / 1000;
    json_t *object = json_pack("{s:s, s:f}", "event", event, "time", seconds);
    bool good = object != NULL && (!fields || json_object_update_missing(object, fields) == 0);
    text_clear(&journal->line);
    /* 17 digits, so that a curve that is read back is the curve that was written. */
    good = good && json_dump_callback(object, journal_collect, &journal->line,
                                      JSON_COMPACT | JSON_REAL_PRECISION(17)) == 0;
    json_decref(object);
    json_decref(fields);
    if (!good) {
        return error_add(error, ERROR_FAILED, "the event \"%s\" cannot be written as JSON", event);
    }
    text_add(&journal->line, "\n");
    return journal_put(journal, error);
}

bool journal_flush(struct journal *journal, struct error *error) {
    if (journal->file >= 0 && fsync(journal->file) != 0) {
        return journal_failed(journal->path, "flushed to disk", error);
    }
    return true;
}

bool journal_rewind(struct journal *journal, const char *stage, int64_t step, struct error *error) {
    json_t *fields = json_pack("{s:s, s:I}", "stage", stage, "step", (json_int_t)step);
    return journal_write(journal, "rewind", fields, error) && journal_flush(journal, error);
}

void journal_close(struct journal *journal) {
    if (journal->path && journal->file >= 0) {
        fsync(journal->file);
        close(journal->file);
    }
    memory_free(journal->path);
    text_free(&journal->line);
    *journal = (struct journal){.file = -1};
}
