/* The text of ops/integer_*.h, which the build keeps in the program (CMakeLists.txt). */
#ifndef TAMIS_EVAL_EXPORT_C_SOURCES_H
#define TAMIS_EVAL_EXPORT_C_SOURCES_H

/* In the order in which they include each other; each ends with 0. */
extern const unsigned char *const export_c_sources[];
extern const int export_c_source_count;

#endif
