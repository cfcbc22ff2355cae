/* Asking long work to stop: SIGINT and SIGTERM set a flag that loops look at between steps. */
#ifndef TAMIS_CORE_INTERRUPT_H
#define TAMIS_CORE_INTERRUPT_H

#include <stdbool.h>

/* Catches SIGINT and SIGTERM. The second one ends the program at once. */
void interrupt_install(void);
bool interrupt_requested(void);

#endif
