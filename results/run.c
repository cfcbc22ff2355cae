#include "results/run.h"

#include "core/file.h"
#include "core/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const run_files[] = {RUN_SPEC,      RUN_SPACE,   RUN_ARCHITECTURE, RUN_WEIGHTS,
                                        RUN_QUANTIZED, RUN_JOURNAL, RUN_RESULT,       RUN_REPORT};
enum { RUN_FILE_COUNT = sizeof run_files / sizeof *run_files };

static bool run_name_exists(const char *folder, const char *name) {
    char *path = path_join(folder, name);
    struct stat status;
    bool exists = lstat(path, &status) == 0;
    memory_free(path);
    return exists;
}

/* The first file of a run that is in the folder, or NULL. */
static const char *run_first_file(const char *folder) {
    for (size_t i = 0; i < RUN_FILE_COUNT; i++) {
        if (run_name_exists(folder, run_files[i])) return run_files[i];
    }
    return NULL;
}

/* True if a new run may be made here. */
static bool run_may_create(const char *path, bool force, struct error *error) {
    const char *found = run_first_file(path);
    if (!found) return true;
    if (!run_name_exists(path, RUN_LOCK)) {
        return error_add(
            error, ERROR_SPEC,
            "the folder \"%s\" has a file \"%s\" that Tamis did not make; choose another "
            "folder with --out",
            path, found);
    }
    if (!force) {
        return error_add(error, ERROR_SPEC,
                         "the folder \"%s\" has a run already (\"%s\"); continue it with --resume, "
                         "replace it with --force, or choose another folder with --out",
                         path, found);
    }
    return true;
}

static bool run_take_lock(struct run *run, struct error *error) {
    char *path = path_join(run->path, RUN_LOCK);
    run->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (run->lock < 0) {
        error_add(error, ERROR_FAILED, "the lock file \"%s\" cannot be opened: %s", path,
                  strerror(errno));
        memory_free(path);
        return false;
    }
    memory_free(path);
    int result;
    do {
        result = flock(run->lock, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        int reason = errno;
        char owner[32] = "";
        ssize_t length = pread(run->lock, owner, sizeof owner - 1, 0);
        if (length < 0) length = 0;
        owner[length] = '\0';
        owner[strspn(owner, "0123456789")] = '\0';
        if (reason == EWOULDBLOCK) {
            return error_add(
                error, ERROR_FAILED,
                "the run \"%s\" is in use by another process%s%s; wait for it or choose "
                "another folder",
                run->path, *owner ? " with the id " : "", owner);
        }
        return error_add(error, ERROR_FAILED, "the run \"%s\" cannot be locked: %s", run->path,
                         strerror(reason));
    }
    /* The id is for the message above only; the lock itself is the kernel's and dies with us. */
    char owner[32];
    int length = snprintf(owner, sizeof owner, "%ld\n", (long)getpid());
    if (ftruncate(run->lock, 0) != 0 || pwrite(run->lock, owner, (size_t)length, 0) != length) {
        return error_add(error, ERROR_FAILED,
                         "the lock file of the run \"%s\" cannot be written: %s", run->path,
                         strerror(errno));
    }
    return true;
}

static bool run_remove_file(const char *folder, const char *name, struct error *error) {
    char *path = path_join(folder, name);
    bool gone = unlink(path) == 0 || errno == ENOENT;
    if (!gone) {
        error_add(error, ERROR_FAILED, "the file \"%s\" cannot be removed: %s", path,
                  strerror(errno));
    }
    memory_free(path);
    return gone;
}

static bool run_clean_folder(const char *run_folder, const char *name, struct error *error) {
    static const char *const extensions[] = {"safetensors", "json", "yaml", "png"};
    char *folder = path_join(run_folder, name);
    char **names = NULL;
    size_t count = 0;
    bool good = !folder_exists(folder) || folder_list(folder, false, &names, &count, error);
    for (size_t i = 0; good && i < count; i++) {
        for (size_t k = 0; k < sizeof extensions / sizeof *extensions; k++) {
            if (strcmp(path_extension(names[i]), extensions[k]) != 0) continue;
            good = run_remove_file(folder, names[i], error);
            break;
        }
    }
    file_list_free(names, count);
    memory_free(folder);
    return good;
}

static bool run_clean(const char *path, struct error *error) {
    /* The spec goes last: where it is gone, all else is. */
    for (size_t i = 0; i < RUN_FILE_COUNT; i++) {
        if (strcmp(run_files[i], RUN_SPEC) != 0 && !run_remove_file(path, run_files[i], error))
            return false;
    }
    return run_clean_folder(path, RUN_CHECKPOINT, error) &&
           run_clean_folder(path, RUN_IMAGES, error) && run_clean_folder(path, RUN_FRONT, error) &&
           run_remove_file(path, RUN_SPEC, error);
}

static bool run_make_folder(const char *path, const char *name, struct error *error) {
    char *folder = path_join(path, name);
    bool good = folder_create(folder, error);
    memory_free(folder);
    return good;
}

static char *run_copy(const char *path) {
    size_t length = strlen(path);
    char *copy = memory_allocate(length + 1);
    memcpy(copy, path, length + 1);
    return copy;
}

bool run_create(struct run *run, const char *path, bool force, struct error *error) {
    *run = (struct run){.path = NULL, .lock = -1};
    if (!*path) return error_add(error, ERROR_SPEC, "the run folder needs a name");
    if (!folder_exists(path) && access(path, F_OK) == 0) {
        return error_add(error, ERROR_SPEC, "\"%s\" is a file, so it cannot be a run folder", path);
    }
    if (!run_may_create(path, force, error) || !folder_create(path, error)) return false;
    run->path = run_copy(path);
    /* Asked again under the lock: another process may have made a run here in between. */
    if (run_take_lock(run, error) && run_may_create(path, force, error) && run_clean(path, error) &&
        run_make_folder(path, RUN_CHECKPOINT, error) && run_make_folder(path, RUN_IMAGES, error)) {
        return true;
    }
    run_close(run);
    return false;
}

bool run_is_folder(const char *path) {
    return folder_exists(path) && run_first_file(path) != NULL;
}

bool run_open(struct run *run, const char *path, enum run_access access, struct error *error) {
    *run = (struct run){.path = NULL, .lock = -1};
    if (!folder_exists(path)) {
        return error_add(error, ERROR_SPEC, "there is no run folder \"%s\"", path);
    }
    if (!run_is_folder(path)) {
        return error_add(error, ERROR_SPEC, "the folder \"%s\" has no run in it", path);
    }
    run->path = run_copy(path);
    if (access == RUN_READ) return true;
    if (run_take_lock(run, error) && run_make_folder(path, RUN_CHECKPOINT, error) &&
        run_make_folder(path, RUN_IMAGES, error)) {
        return true;
    }
    run_close(run);
    return false;
}

char *run_path(const struct run *run, const char *name) {
    return path_join(run->path, name);
}

bool run_has(const struct run *run, const char *name) {
    char *path = run_path(run, name);
    bool has = file_exists(path);
    memory_free(path);
    return has;
}

void run_close(struct run *run) {
    if (run->path && run->lock >= 0) close(run->lock);
    memory_free(run->path);
    *run = (struct run){.path = NULL, .lock = -1};
}
