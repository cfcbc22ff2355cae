/* Checks of HTML and SVG texts. */
#ifndef TAMIS_TESTS_SUPPORT_MARKUP_H
#define TAMIS_TESTS_SUPPORT_MARKUP_H

#include <stddef.h>

/* Fails the test unless every element is closed in the right order (but for HTML's void elements),
 * every attribute is quoted, and no '<' or '&' stands alone. */
void markup_check(const char *text);
/* How often `part` occurs. */
size_t markup_count(const char *text, const char *part);

#endif
