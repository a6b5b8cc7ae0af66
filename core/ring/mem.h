/* Memory of one engine process: every block is on a list, so that the end of a process can assert that nothing is left,
 * and a run that ended stuck can be thrown away. */
#ifndef CORE_RING_MEM_H
#define CORE_RING_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/list.h"
#include "sched/sched.h"

struct io_mem {
	struct mutex lock; /* protects what follows; nothing nests inside */
	struct list blocks;
	uint64_t nr;
};

void io_mem_init(struct io_mem *m);
/* Nothing may be left. */
void io_mem_destroy(struct io_mem *m);
/* Zeroed; never NULL: memory of the machine running out is not simulated. */
void *io_mem_alloc(struct io_mem *m, size_t size);
void io_mem_free(struct io_mem *m, void *p);
/* Frees all blocks without looking at the lock, whose owner may be gone. */
void io_mem_abandon(struct io_mem *m);

#endif
