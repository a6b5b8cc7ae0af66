/* The descriptor table of a process. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/file/internal.h"

#define FIRST_FD 3
#define MAX_FDS 1024 /* numbers below this */
#define START_SLOTS 32

struct fdtable {
	struct mutex lock;
	unsigned int nr_slots; /* slots[i] is descriptor i */
	unsigned int next_free; /* no free descriptor below */
	struct file **slots;
};

static void fdtable_drop(void *object)
{
	struct fdtable *t = object;

	free(t->slots);
}

static struct fdtable *fdtable_alloc(unsigned int nr_slots)
{
	struct fdtable *t = heap_new(sizeof(*t));

	if (!t)
		return NULL;
	t->slots = calloc(nr_slots, sizeof(*t->slots));
	if (!t->slots) {
		heap_free(t);
		return NULL;
	}
	heap_set_drop(t, fdtable_drop);
	mutex_init(&t->lock);
	t->nr_slots = nr_slots;
	t->next_free = FIRST_FD;
	return t;
}

struct fdtable *fdtable_new(const struct fdtable *copy_of)
{
	struct fdtable *from = (struct fdtable *)copy_of; /* its lock is taken, nothing else changes */
	struct fdtable *t;

	if (!from)
		return fdtable_alloc(START_SLOTS);
	mutex_lock(&from->lock);
	t = fdtable_alloc(from->nr_slots);
	if (t) {
		for (unsigned int i = FIRST_FD; i < from->nr_slots; i++)
			if (from->slots[i] && from->slots[i]->kind != FILE_RING)
				t->slots[i] = file_get(from->slots[i]);
	}
	mutex_unlock(&from->lock);
	return t;
}

void fdtable_free(struct fdtable *t)
{
	for (unsigned int i = FIRST_FD; i < t->nr_slots; i++)
		if (t->slots[i])
			file_put(t->slots[i]);
	heap_set_drop(t, NULL);
	free(t->slots);
	mutex_destroy(&t->lock);
	heap_free(t);
}

static bool fdtable_grow(struct fdtable *t)
{
	unsigned int n = t->nr_slots * 2 < MAX_FDS ? t->nr_slots * 2 : MAX_FDS;
	struct file **slots;

	if (t->nr_slots == MAX_FDS)
		return false;
	slots = realloc(t->slots, n * sizeof(*slots));
	if (!slots)
		return false;
	memset(slots + t->nr_slots, 0, (n - t->nr_slots) * sizeof(*slots));
	t->slots = slots;
	t->nr_slots = n;
	return true;
}

int fdtable_install(struct fdtable *t, struct file *f)
{
	unsigned int fd;
	int ret = -EMFILE;

	mutex_lock(&t->lock);
	fd = t->next_free;
	while (fd < t->nr_slots && t->slots[fd])
		fd++;
	if (fd < t->nr_slots || fdtable_grow(t)) {
		t->slots[fd] = f;
		t->next_free = fd + 1;
		ret = (int)fd;
	}
	mutex_unlock(&t->lock);
	if (ret < 0)
		file_put(f);
	return ret;
}

static bool valid(const struct fdtable *t, int fd)
{
	return fd >= 0 && (unsigned int)fd < t->nr_slots && t->slots[fd];
}

struct file *fdtable_get(struct fdtable *t, int fd)
{
	struct file *f = NULL;

	mutex_lock(&t->lock);
	if (valid(t, fd))
		f = file_get(t->slots[fd]);
	mutex_unlock(&t->lock);
	return f;
}

int fdtable_close(struct fdtable *t, int fd)
{
	struct file *f = NULL;

	mutex_lock(&t->lock);
	if (valid(t, fd)) {
		f = t->slots[fd];
		t->slots[fd] = NULL;
		if ((unsigned int)fd < t->next_free)
			t->next_free = (unsigned int)fd;
	}
	mutex_unlock(&t->lock);
	if (!f)
		return -EBADF;
	file_put(f);
	return 0;
}
