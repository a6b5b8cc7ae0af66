/* References, identities, and the heap of the room. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file/internal.h"

/* ---- the heap: every object of the room, so that all can be thrown away ---- */

struct chunk {
	struct list node;
	void (*drop)(void *object);
	void *pad; /* keeps the object aligned */
	char object[];
};

_Static_assert(offsetof(struct chunk, object) % 16 == 0, "objects are aligned as malloc's");

struct mutex heap_lock = MUTEX_INIT; /* protects what follows, and what internal.h says */
static struct list heap = LIST_INIT(heap);
static uint32_t next_identity;

void *heap_new(size_t size)
{
	struct chunk *c = calloc(1, sizeof(*c) + size);

	if (!c)
		return NULL;
	mutex_lock(&heap_lock);
	list_add_tail(&c->node, &heap);
	mutex_unlock(&heap_lock);
	return c->object;
}

static struct chunk *chunk_of(void *object)
{
	return (struct chunk *)((char *)object - offsetof(struct chunk, object));
}

void heap_set_drop(void *object, void (*drop)(void *object))
{
	chunk_of(object)->drop = drop;
}

void heap_free(void *object)
{
	struct chunk *c = chunk_of(object);

	mutex_lock(&heap_lock);
	list_del(&c->node);
	mutex_unlock(&heap_lock);
	free(c);
}

void file_abandon_all(void)
{
	mutex_init(&heap_lock); /* whoever held it is gone */
	inodes_forget();
	fifos_forget();
	while (!list_empty(&heap)) {
		struct chunk *c = list_first(&heap, struct chunk, node);

		list_del(&c->node);
		if (c->drop)
			c->drop(c->object);
		free(c);
	}
	next_identity = 0;
}

uint32_t file_new_identity(void)
{
	uint32_t id;

	mutex_lock(&heap_lock);
	id = next_identity++;
	mutex_unlock(&heap_lock);
	return id;
}

void file_reset_identities(void)
{
	mutex_lock(&heap_lock);
	next_identity = 0;
	mutex_unlock(&heap_lock);
}

/* ---- files ---- */

struct file *file_new(enum file_kind kind, const struct file_ops *ops)
{
	struct file *f = heap_new(sizeof(*f));

	if (!f)
		return NULL;
	a32_store(&f->refs, 1);
	f->kind = kind;
	f->ops = ops;
	f->real_fd = -1;
	return f;
}

struct file *file_get(struct file *f)
{
	ENSURE_OP(a32_add(&f->refs, 1), >, 0u);
	return f;
}

void file_put(struct file *f)
{
	uint32_t before = a32_sub(&f->refs, 1);

	ENSURE_OP(before, >, 0u);
	if (before > 1)
		return;
	if (f->ops->release)
		f->ops->release(f);
	heap_free(f);
}

int file_size(struct file *f, uint64_t *size)
{
	struct stat st;

	if (!f->regular)
		return -ESPIPE;
	if (fstat(f->real_fd, &st) < 0)
		return -errno;
	*size = (uint64_t)st.st_size;
	return 0;
}

unsigned int real_poll(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int ret;

	do {
		ret = poll(&p, 1, 0);
	} while (ret < 0 && errno == EINTR);
	ENSURE_OP(ret, >=, 0);
	return ret ? (unsigned int)(unsigned short)p.revents : 0;
}
