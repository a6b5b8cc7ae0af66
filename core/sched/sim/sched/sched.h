/* sched/sched.h under simulation: one OS thread runs everything, so a mutex is two pointers and an atomic is a plain
 * word. What matters is that each access is a point where the simulator may run somebody else. */
#ifndef CORE_SCHED_SIM_SCHED_H
#define CORE_SCHED_SIM_SCHED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/ensure.h"
#include "core/sched/seam.h"

/* What the inline part of a scheduling point needs; the rest of the simulator's state is private to it. */
struct sim_hot {
	struct sched_task *self; /* who runs now; outside a run the task that stands for the caller, never NULL */
	uint32_t nr_ready; /* tasks that could run instead of it */
	uint64_t points;
	uint64_t max_points; /* past it sim_point_slow is asked. UINT64_MAX: no limit */
};

extern struct sim_hot sim_hot;

void sim_point_slow(void);

/* A scheduling point. A few nanoseconds while there is nobody else to run. */
static inline void sim_point(void)
{
	if (__builtin_expect(++sim_hot.points > sim_hot.max_points || sim_hot.nr_ready, 0))
		sim_point_slow();
}

struct mutex {
	struct sched_task *owner; /* NULL: free */
	struct sched_task *waiters; /* first come first; chained by the tasks themselves */
};

#define MUTEX_INIT                                                                                                     \
	{                                                                                                              \
		NULL, NULL                                                                                             \
	}

void mutex_init(struct mutex *m);
void mutex_destroy(struct mutex *m);
void mutex_lock(struct mutex *m);
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
void mutex_assert_held(struct mutex *m);

#define ATOMIC_INIT(value)                                                                                             \
	{                                                                                                              \
		(value)                                                                                                \
	}

#define SCHED_ATOMIC_RMW(bits, name, op)                                                                               \
	static inline uint##bits##_t a##bits##_##name(struct atomic##bits *p, uint##bits##_t v)                        \
	{                                                                                                              \
		sim_point();                                                                                           \
		uint##bits##_t old = p->v;                                                                             \
		p->v = (op);                                                                                           \
		return old;                                                                                            \
	}

#define SCHED_ATOMIC(bits)                                                                                             \
	struct atomic##bits {                                                                                          \
		uint##bits##_t v;                                                                                      \
	};                                                                                                             \
	static inline uint##bits##_t a##bits##_load(const struct atomic##bits *p)                                      \
	{                                                                                                              \
		sim_point();                                                                                           \
		return p->v;                                                                                           \
	}                                                                                                              \
	static inline void a##bits##_store(struct atomic##bits *p, uint##bits##_t v)                                   \
	{                                                                                                              \
		sim_point();                                                                                           \
		p->v = v;                                                                                              \
	}                                                                                                              \
	SCHED_ATOMIC_RMW(bits, add, old + v)                                                                           \
	SCHED_ATOMIC_RMW(bits, sub, old - v)                                                                           \
	SCHED_ATOMIC_RMW(bits, or, old | v)                                                                            \
	SCHED_ATOMIC_RMW(bits, and, old &v)                                                                            \
	SCHED_ATOMIC_RMW(bits, xchg, v)                                                                                \
	static inline bool a##bits##_cas(struct atomic##bits *p, uint##bits##_t *expect, uint##bits##_t v)             \
	{                                                                                                              \
		sim_point();                                                                                           \
		if (p->v != *expect) {                                                                                 \
			*expect = p->v;                                                                                \
			return false;                                                                                  \
		}                                                                                                      \
		p->v = v;                                                                                              \
		return true;                                                                                           \
	}

SCHED_ATOMIC(32)
SCHED_ATOMIC(64)
#undef SCHED_ATOMIC
#undef SCHED_ATOMIC_RMW

/* Memory is sequentially consistent here, so there is nothing to do. Emulated store buffers would be drained here. */
static inline void fence_full(void)
{
}

static inline uint32_t shm_load32(const uint32_t *p)
{
	sim_point();
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void shm_store32(uint32_t *p, uint32_t v)
{
	sim_point();
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

#endif
