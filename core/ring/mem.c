#include <stdlib.h>

#include "core/base/ensure.h"
#include "core/ring/mem.h"

struct block {
	struct list node;
	char data[];
};

_Static_assert(sizeof(struct block) % 16 == 0, "blocks are aligned as malloc's");

void io_mem_init(struct io_mem *m)
{
	mutex_init(&m->lock);
	list_init(&m->blocks);
	m->nr = 0;
}

void io_mem_destroy(struct io_mem *m)
{
	ENSURE_OP(m->nr, ==, (uint64_t)0);
	ENSURE(list_empty(&m->blocks));
	mutex_destroy(&m->lock);
}

void *io_mem_alloc(struct io_mem *m, size_t size)
{
	struct block *b = calloc(1, sizeof(*b) + size);

	ENSURE(b != NULL);
	mutex_lock(&m->lock);
	list_add(&b->node, &m->blocks);
	m->nr++;
	mutex_unlock(&m->lock);
	return b->data;
}

void io_mem_free(struct io_mem *m, void *p)
{
	struct block *b = container_of(p, struct block, data);

	mutex_lock(&m->lock);
	ENSURE(list_is_linked(&b->node));
	ENSURE_OP(m->nr, >, (uint64_t)0);
	list_del(&b->node);
	m->nr--;
	mutex_unlock(&m->lock);
	free(b);
}

void io_mem_abandon(struct io_mem *m)
{
	while (!list_empty(&m->blocks)) {
		struct block *b = list_first(&m->blocks, struct block, node);

		list_del(&b->node);
		free(b);
	}
	m->nr = 0;
}
