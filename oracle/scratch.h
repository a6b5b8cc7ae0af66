/* Memory of a thread that judges: too large for the stack, and for thread-local storage, which is taken from the stacks of
 * all threads. Made at the first use, zeroed then, freed when the thread ends. */
#ifndef ORACLE_SCRATCH_H
#define ORACLE_SCRATCH_H

#include <stddef.h>

enum scratch_of { SCRATCH_SETS, SCRATCH_ASK, SCRATCH_TOLD, SCRATCHES };

/* The calling thread's block for that purpose; always of the same size. */
void *scratch(enum scratch_of of, size_t size);

#endif
