/* Building and running what export_c_write makes. */
#ifndef TAMIS_TESTS_SUPPORT_C_PROGRAM_H
#define TAMIS_TESTS_SUPPORT_C_PROGRAM_H

#include "eval/image.h"
#include "eval/integer_network.h"

/* How it is built, and what runs it. */
struct c_target {
    const char *name, *compiler, *flags, *emulator;
};
extern const struct c_target c_targets[];
extern const int c_target_count;
bool c_target_is_there(const struct c_target *target);

/* A folder for one model; the path is at most 63 bytes. */
void c_program_folder(char *folder);
void c_program_remove(const char *folder);

/* Writes model.c, for pictures enlarged `scale` times; and builds it with some more flags. A failed
 * build fails the test. */
void c_program_write(const struct integer_network *network, int scale, const char *title,
                     const char *folder);
void c_program_build(const struct c_target *target, const char *more, const char *folder);
/* Flags for a program whose memory is not aligned, and that ends where something was written beside
 * it. */
#define C_PROGRAM_GUARDED "-Dmalloc=guarded_malloc -Dfree=guarded_free guard.c"
/* What model_memory says, in a program that fails where model_upscale takes less memory or a
 * picture without pixels. */
unsigned long c_program_memory(const char *folder, int width, int height);
/* Whether it makes the bits of `wanted` of `low`. `memory`, if not NULL, gets the bytes that it
 * works with. */
bool c_program_makes(const struct c_target *target, const char *folder, const struct image *low,
                     const struct image *wanted, unsigned long *memory);

#endif
