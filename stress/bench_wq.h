/* bench wq: what the worker pools compared there have in common. Each is a row of calls; each row of the table is a
 * program that they all run, in a process of its own. */
#ifndef STRESS_BENCH_WQ_H
#define STRESS_BENCH_WQ_H

#include <stdint.h>

#include "stress/bench.h"

enum wq_kind {
	WQ_EMPTY, /* does nothing */
	WQ_BLOCK, /* reads a byte from a pipe, which a peer writes when all have begun */
	WQ_HASHED, /* writes a byte to a file; the writes to one file go one at a time */
	WQ_CANCEL_PENDING, /* the only worker is blocked; each is cancelled while it waits */
	WQ_CANCEL_BLOCKED, /* each is cancelled while it is blocked in a worker */
	WQ_KINDS
};

struct wq_row {
	const char *name;
	enum wq_kind kind;
	unsigned int batch; /* handed over at once, and waited for */
	unsigned int files; /* HASHED */
	unsigned int tasks; /* that do all of it at the same time, each with a pool, or ring, of its own */
};

enum { WQ_MAX_BATCH = 1000, WQ_MAX_FILES = 64 };

/* What begin() is given: the outside of a row. */
struct wq_world {
	const struct wq_row *row;
	int cpu;
	int pipe[2]; /* BLOCK and CANCEL_*: to read from */
	int file[WQ_MAX_FILES];
	int peer; /* a byte written here: the peer answers `batch` reads */
};

struct wq_side {
	const char *name;
	uint32_t kinds; /* 1 << kind: what it can do */
	bool one_task; /* it is one pool for the whole process */
	void *(*begin)(const struct wq_world *w);
	void (*round)(void *pool); /* one batch, to its end */
	void (*end)(void *pool);
};

extern const struct wq_side wq_ours, wq_kernel, wq_glib, wq_uv, wq_floor;
extern const unsigned int wq_uv_bytes; /* that libuv keeps for an item */

void wq_answer(const struct wq_world *w);

/* One item's share, in nanoseconds of CPU time, of queueing n behind a blocked worker and of running them; in rounds, if n
 * is small. */
struct wq_growth {
	double queue, run;
	double bytes; /* one item's, while it waits: what the pool allocates, and the item's own header in it */
};
void wq_grow_ours(uint32_t n, struct wq_growth *out);
void wq_grow_list(uint32_t n, struct wq_growth *out); /* a list and a lock, and no pool: what memory costs */
void wq_grow_glib(uint32_t n, struct wq_growth *out);

uint64_t wq_now(void);
uint64_t wq_cpu_now(void); /* of the process */

/* only: rows whose names have that in them, and nothing else; NULL: all. */
enum exit_status bench_wq(unsigned int repeats, const char *only, bool json);

#endif
