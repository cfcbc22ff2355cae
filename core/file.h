/* Files: whole reads, writes that are complete or absent, folders, paths. */
#ifndef TAMIS_CORE_FILE_H
#define TAMIS_CORE_FILE_H

#include "core/error.h"
#include <stdbool.h>
#include <stddef.h>

/* Reads a whole file (or pipe); *data is NUL-terminated beyond *size; free with memory_free. Errors
 * carry `code` (ERROR_SPEC for specs, ERROR_DATA for data, ...). */
bool file_read(const char *path, enum error_code code, char **data, size_t *size,
               struct error *error);
/* Writes to a temporary name in the same folder, flushes to disk and renames: after a crash the
 * file has either its old or its new content. Failure leaves the old file and no temporary one. A
 * link is followed; what is not a regular file (a pipe, a device) is written to in place. */
bool file_write(const char *path, const void *data, size_t size, struct error *error);
/* Two files that belong together, `first` before `second`. Where the second cannot be written the
 * first is removed again, if it was not there before. */
struct file_part {
    const char *path;
    const void *data;
    size_t size;
};
bool file_write_pair(struct file_part first, struct file_part second, struct error *error);
/* Appends (to a new file if there is none) and flushes to disk; a failure leaves the old length. */
bool file_append(const char *path, const void *data, size_t size, struct error *error);
/* Copies through file_write. */
bool file_copy(const char *from, const char *to, struct error *error);
bool file_exists(const char *path);              /* a regular file */
bool file_is_same(const char *a, const char *b); /* both are there, and are one regular file */
bool folder_exists(const char *path);
bool folder_create(const char *path,
                   struct error *error); /* with its parents; fine if it is there */
/* Removes a folder and all below it; fine if there is none. Links are removed, not followed. */
bool folder_remove(const char *path, struct error *error);

/* Names (not paths) of the regular files in a folder, sorted by strcmp; hidden ones left out. With
 * `recursive`, names are relative paths with '/'; links to folders are not entered. A folder that
 * cannot be read is ERROR_DATA. Free each and the array with file_list_free. */
bool folder_list(const char *path, bool recursive, char ***names, size_t *count,
                 struct error *error);
void file_list_free(char **names, size_t count);

/* New strings, free with memory_free. */
char *path_join(const char *folder, const char *name);
char *path_folder(const char *path);          /* "a/b.yaml" -> "a", "b.yaml" -> "." */
char *path_stem(const char *path);            /* "a/b.yaml" -> "b" */
const char *path_extension(const char *path); /* "yaml"; "" when there is none; borrowed */
/* The folder with Tamis's shipped files (`spaces/`, `search/`): TAMIS_HOME if set, else found from
 * the program's own place, else the source folder it was built from. Borrowed. */
const char *path_home(void);

#endif
