#include "core/file.h"
#include "core/memory.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool file_read(const char *path, enum error_code code, char **data, size_t *size,
               struct error *error) {
    *data = NULL;
    *size = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return error_add(error, code, "cannot read \"%s\": %s", path, strerror(errno));
    struct stat status;
    if (fstat(file, &status) == 0 && S_ISDIR(status.st_mode)) {
        close(file);
        return error_add(error, code, "cannot read \"%s\": it is a folder, not a file", path);
    }

    /* One byte more than announced, so that the end is seen without growing. */
    size_t capacity = status.st_size > 0 ? (size_t)status.st_size + 2 : 4096;
    char *content = memory_allocate(capacity);
    size_t length = 0;
    for (;;) {
        if (length + 1 >= capacity) {
            content = memory_resize(content, capacity, 2 * capacity);
            capacity *= 2;
        }
        ssize_t got = read(file, content + length, capacity - 1 - length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            int reason = errno;
            close(file);
            memory_free(content);
            return error_add(error, code, "cannot read \"%s\": %s", path, strerror(reason));
        }
        if (got == 0) break;
        length += (size_t)got;
    }
    close(file);
    content[length] = '\0';
    *data = content;
    *size = length;
    return true;
}

static bool write_whole(int file, const char *data, size_t size) {
    while (size > 0) {
        ssize_t written = write(file, data, size);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return false;
        data += written;
        size -= (size_t)written;
    }
    return true;
}

static bool cannot_write(const char *path, int reason, struct error *error) {
    return error_add(error, ERROR_FAILED, "cannot write \"%s\": %s", path, strerror(reason));
}

/* A rename is on disk only when its folder is. */
static bool flush_folder(const char *path) {
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return false;
    bool flushed = fsync(folder) == 0 || errno == EINVAL; /* some file systems cannot */
    int reason = errno;
    close(folder);
    errno = reason;
    return flushed;
}

/* Pipes, terminals and devices cannot be replaced: they are written to. */
static bool write_through(const char *path, const void *data, size_t size, struct error *error) {
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return cannot_write(path, errno, error);
    bool written = write_whole(file, data, size);
    int reason = errno;
    if (close(file) != 0 && written) {
        written = false;
        reason = errno;
    }
    return written || cannot_write(path, reason, error);
}

static bool write_and_rename(const char *target, const char *temporary, mode_t mode,
                             const void *data, size_t size) {
    int file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (file < 0) return false;
    bool done = write_whole(file, data, size) && fsync(file) == 0;
    int reason = errno;
    if (close(file) != 0 && done) {
        done = false;
        reason = errno;
    }
    if (done && rename(temporary, target) != 0) {
        done = false;
        reason = errno;
    }
    if (!done) unlink(temporary);
    errno = reason;
    return done;
}

bool file_write(const char *path, const void *data, size_t size, struct error *error) {
    static atomic_uint serial;
    struct stat status;
    mode_t mode = 0666;
    char *resolved = NULL;
    if (stat(path, &status) == 0) {
        if (S_ISDIR(status.st_mode)) return cannot_write(path, EISDIR, error);
        if (!S_ISREG(status.st_mode)) return write_through(path, data, size, error);
        mode = status.st_mode & 0777;
        resolved = realpath(path, NULL); /* replace what a link names, not the link */
    }
    const char *target = resolved ? resolved : path;

    struct arena arena = {0};
    char *folder = path_folder(target);
    const char *temporary = arena_format(&arena, "%s/.tamis.%ld.%u.tmp", folder, (long)getpid(),
                                         atomic_fetch_add(&serial, 1));
    bool done = write_and_rename(target, temporary, mode, data, size) && flush_folder(folder);
    int reason = errno;
    memory_free(folder);
    arena_free(&arena);
    free(resolved);
    return done || cannot_write(path, reason, error);
}

bool file_write_pair(struct file_part first, struct file_part second, struct error *error) {
    struct stat status;
    bool was_there = lstat(first.path, &status) == 0;
    if (!file_write(first.path, first.data, first.size, error)) return false;
    if (file_write(second.path, second.data, second.size, error)) return true;
    if (!was_there) unlink(first.path);
    return false;
}

bool file_append(const char *path, const void *data, size_t size, struct error *error) {
    bool fresh = !file_exists(path);
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) return cannot_write(path, errno, error);
    struct stat status;
    bool regular = fstat(file, &status) == 0 && S_ISREG(status.st_mode);
    off_t before = regular ? status.st_size : -1;
    bool done = write_whole(file, data, size);
    int reason = errno;
    /* Half a line would spoil the file for every later reader. */
    if (!done && before >= 0 && ftruncate(file, before) != 0)
        error_add(error, ERROR_FAILED, "cannot remove the half-written end of \"%s\"", path);
    if (done && fsync(file) != 0 && errno != EINVAL && errno != EROFS) {
        done = false;
        reason = errno;
    }
    if (close(file) != 0 && done) {
        done = false;
        reason = errno;
    }
    if (done && fresh) {
        char *folder = path_folder(path);
        done = flush_folder(folder);
        reason = errno;
        memory_free(folder);
    }
    return done || cannot_write(path, reason, error);
}

bool file_copy(const char *from, const char *to, struct error *error) {
    char *data;
    size_t size;
    if (!file_read(from, ERROR_FAILED, &data, &size, error)) return false;
    bool written = file_write(to, data, size, error);
    memory_free(data);
    return written;
}

bool file_exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

bool file_is_same(const char *a, const char *b) {
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && S_ISREG(first.st_mode) &&
           first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

bool folder_exists(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

bool folder_create(const char *path, struct error *error) {
    if (folder_exists(path)) return true;
    struct arena arena = {0};
    char *part = arena_copy(&arena, path);
    bool done = true;
    int reason = 0;
    for (char *end = part + 1; done && part[0]; end++) {
        char here = *end;
        if (here != '/' && here != '\0') continue;
        *end = '\0';
        if (mkdir(part, 0777) != 0 && !folder_exists(part)) {
            done = false;
            reason = errno;
        }
        *end = here;
        if (here == '\0') break;
    }
    if (part[0] == '\0') {
        done = false;
        reason = ENOENT;
    }
    arena_free(&arena);
    return done || error_add(error, ERROR_FAILED, "cannot create the folder \"%s\": %s", path,
                             strerror(reason));
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place) {
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

bool folder_remove(const char *path, struct error *error) {
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT) return true;
    return error_add(error, ERROR_FAILED, "cannot remove the folder \"%s\": %s", path,
                     strerror(errno));
}

struct name_list {
    char **names;
    size_t count;
    size_t capacity;
};

/* Lists `folder`/`below`; names get `below` and '/' in front. */
static bool list_below(const char *folder, const char *below, bool recursive,
                       struct name_list *list, struct error *error) {
    char *path = path_join(folder, below);
    DIR *directory = opendir(path);
    if (!directory) {
        error_add(error, ERROR_DATA, "cannot read the folder \"%s\": %s", path, strerror(errno));
        memory_free(path);
        return false;
    }
    bool done = true;
    struct dirent *entry;
    while (done && (entry = readdir(directory))) {
        if (entry->d_name[0] == '.') continue;
        char *name = path_join(below, entry->d_name);
        struct stat status;
        bool linked = fstatat(dirfd(directory), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                      S_ISLNK(status.st_mode);
        bool known = fstatat(dirfd(directory), entry->d_name, &status, 0) == 0;
        if (known && S_ISREG(status.st_mode)) {
            memory_grow(list->names, list->count, list->capacity);
            list->names[list->count++] = name;
            continue;
        }
        /* A link to a folder could lead in a circle. */
        if (recursive && known && S_ISDIR(status.st_mode) && !linked)
            done = list_below(folder, name, recursive, list, error);
        memory_free(name);
    }
    closedir(directory);
    memory_free(path);
    return done;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool folder_list(const char *path, bool recursive, char ***names, size_t *count,
                 struct error *error) {
    struct name_list list = {0};
    *names = NULL;
    *count = 0;
    if (!list_below(path, "", recursive, &list, error)) {
        file_list_free(list.names, list.count);
        return false;
    }
    if (list.count > 0) qsort(list.names, list.count, sizeof *list.names, compare_names);
    *names = list.names;
    *count = list.count;
    return true;
}

void file_list_free(char **names, size_t count) {
    for (size_t i = 0; i < count; i++)
        memory_free(names[i]);
    memory_free(names);
}

static char *copy_text(const char *text, size_t length) {
    char *copy = memory_allocate(length + 1);
    return memcpy(copy, text, length);
}

char *path_join(const char *folder, const char *name) {
    size_t folder_length = strlen(folder), name_length = strlen(name);
    if (folder_length == 0 || name[0] == '/') return copy_text(name, name_length);
    if (name_length == 0) return copy_text(folder, folder_length);
    bool slash = folder[folder_length - 1] != '/';
    char *joined = memory_allocate(folder_length + slash + name_length + 1);
    memcpy(joined, folder, folder_length);
    if (slash) joined[folder_length] = '/';
    memcpy(joined + folder_length + slash, name, name_length);
    return joined;
}

char *path_folder(const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash) return copy_text(".", 1);
    while (slash > path && slash[-1] == '/')
        slash--;
    return copy_text(path, slash == path ? 1 : (size_t)(slash - path));
}

static const char *last_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

char *path_stem(const char *path) {
    const char *name = last_name(path);
    const char *dot = strrchr(name, '.');
    return copy_text(name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

const char *path_extension(const char *path) {
    const char *name = last_name(path);
    const char *dot = strrchr(name, '.');
    return dot && dot > name ? dot + 1 : "";
}

static char found_home[4096];

static bool is_home(const char *folder, const char *below) {
    char path[sizeof found_home + 32];
    snprintf(path, sizeof path, "%s%s/spaces", folder, below);
    if (!folder_exists(path)) return false;
    snprintf(path, sizeof path, "%s%s/search", folder, below);
    return folder_exists(path);
}

/* The program lies in build/release of the source folder, or in bin beside share/tamis. */
static void find_home(void) {
    char place[sizeof found_home];
    ssize_t length = readlink("/proc/self/exe", place, sizeof place - 16);
    if (length > 0) {
        place[length] = '\0';
        for (int up = 0; up < 4; up++) {
            char *slash = strrchr(place, '/');
            if (!slash) break;
            *slash = '\0';
            const char *below = is_home(place, "")               ? ""
                                : is_home(place, "/share/tamis") ? "/share/tamis"
                                                                 : NULL;
            if (below) {
                strcat(place, below);
                strcpy(found_home, place);
                return;
            }
        }
    }
    strcpy(found_home, TAMIS_SOURCE_DIR);
}

const char *path_home(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const char *chosen = getenv("TAMIS_HOME");
    if (chosen && chosen[0]) return chosen;
    pthread_once(&once, find_home);
    return found_home;
}
