/* sched/sched.h on real threads: pthread mutexes and C11 atomics, all inline, so that the optimiser and ThreadSanitizer
 * see plain ones. */
#ifndef CORE_SCHED_THREADS_SCHED_H
#define CORE_SCHED_THREADS_SCHED_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/ensure.h"
#include "core/sched/seam.h"

#if defined(__SANITIZE_THREAD__)
#define SCHED_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SCHED_TSAN 1
#endif
#endif
#ifndef SCHED_TSAN
#define SCHED_TSAN 0
#endif

/* How many threads without a task are kept for the next one. Fewer than before: the others are ended and joined; 0 at
 * the end of the process, by itself. A kept thread has the signal mask and the affinity of whoever spawned its first
 * task. None are kept under ThreadSanitizer unless it is asked for: what orders two tasks of one thread, or two calls of
 * the cache, would hide that nothing else does. */
#define SCHED_KEEP_THREADS (SCHED_TSAN ? 0 : 32)
void sched_keep_threads(unsigned int max);

struct atomic32;

/* Wakes that wait for the end of a critical section; more than these do not wait. */
#define SCHED_LATE 8

/* What a thread knows of itself. Its address names the thread as the owner of a mutex, so that locking needs no
 * task. */
struct sched_tls {
	struct sched_task *task; /* NULL until the thread first asks for it */
	uint32_t held; /* mutexes held now */
	uint32_t fence; /* what fence_full() touches under ThreadSanitizer */
	uint32_t nr_late; /* of `late`; 0 while no mutex is held */
	struct atomic32 *late[SCHED_LATE]; /* parking words with a token, whose sleepers are still to be woken */
};

extern __thread struct sched_tls sched_tls __attribute__((tls_model("initial-exec")));

/* Makes the wakes that unparks under a mutex have put off. */
void sched_wake_late(void);

/* `owner` is written only by the thread that holds `lock`. Others may read it at any time; whoever reads its own
 * address holds the lock, for nobody else stores that. */
struct mutex {
	pthread_mutex_t lock;
	struct sched_tls *owner;
};

#define MUTEX_INIT                                                                                                     \
	{                                                                                                              \
		PTHREAD_MUTEX_INITIALIZER, NULL                                                                        \
	}

static inline bool mutex_is_mine(const struct mutex *m)
{
	return __atomic_load_n(&m->owner, __ATOMIC_RELAXED) == &sched_tls;
}

static inline void mutex_init(struct mutex *m)
{
	ENSURE_OP(pthread_mutex_init(&m->lock, NULL), ==, 0);
	m->owner = NULL;
}

static inline void mutex_destroy(struct mutex *m)
{
	ENSURE(__atomic_load_n(&m->owner, __ATOMIC_RELAXED) == NULL);
	ENSURE_OP(pthread_mutex_destroy(&m->lock), ==, 0);
}

static inline void mutex_lock(struct mutex *m)
{
	ENSURE(!mutex_is_mine(m));
	ENSURE_OP(pthread_mutex_lock(&m->lock), ==, 0);
	__atomic_store_n(&m->owner, &sched_tls, __ATOMIC_RELAXED);
	sched_tls.held++;
}

static inline bool mutex_trylock(struct mutex *m)
{
	if (mutex_is_mine(m) || pthread_mutex_trylock(&m->lock) != 0)
		return false;
	__atomic_store_n(&m->owner, &sched_tls, __ATOMIC_RELAXED);
	sched_tls.held++;
	return true;
}

static inline void mutex_unlock(struct mutex *m)
{
	ENSURE(mutex_is_mine(m));
	sched_tls.held--;
	__atomic_store_n(&m->owner, NULL, __ATOMIC_RELAXED);
	ENSURE_OP(pthread_mutex_unlock(&m->lock), ==, 0);
	if (__builtin_expect(sched_tls.nr_late, 0) && !sched_tls.held)
		sched_wake_late();
}

static inline void mutex_assert_held(struct mutex *m)
{
	ENSURE(mutex_is_mine(m));
}

/* Loads and read-modify-writes are seq_cst: on x86 they are the same instructions as acquire and acq_rel. So "aN_xchg
 * of one word, then aN_load of another" orders a store before a load without fence_full(). A plain aN_store is a
 * release and does not: seq_cst would make it an xchg as well. */
#define ATOMIC_INIT(value)                                                                                             \
	{                                                                                                              \
		(value)                                                                                                \
	}

#define SCHED_ATOMIC(bits)                                                                                             \
	struct atomic##bits {                                                                                          \
		uint##bits##_t v;                                                                                      \
	};                                                                                                             \
	static inline uint##bits##_t a##bits##_load(const struct atomic##bits *p)                                      \
	{                                                                                                              \
		return __atomic_load_n(&p->v, __ATOMIC_SEQ_CST);                                                       \
	}                                                                                                              \
	static inline void a##bits##_store(struct atomic##bits *p, uint##bits##_t v)                                   \
	{                                                                                                              \
		__atomic_store_n(&p->v, v, __ATOMIC_RELEASE);                                                          \
	}                                                                                                              \
	static inline uint##bits##_t a##bits##_add(struct atomic##bits *p, uint##bits##_t v)                           \
	{                                                                                                              \
		return __atomic_fetch_add(&p->v, v, __ATOMIC_SEQ_CST);                                                 \
	}                                                                                                              \
	static inline uint##bits##_t a##bits##_sub(struct atomic##bits *p, uint##bits##_t v)                           \
	{                                                                                                              \
		return __atomic_fetch_sub(&p->v, v, __ATOMIC_SEQ_CST);                                                 \
	}                                                                                                              \
	static inline uint##bits##_t a##bits##_or(struct atomic##bits *p, uint##bits##_t v)                            \
	{                                                                                                              \
		return __atomic_fetch_or(&p->v, v, __ATOMIC_SEQ_CST);                                                  \
	}                                                                                                              \
	static inline uint##bits##_t a##bits##_and(struct atomic##bits *p, uint##bits##_t v)                           \
	{                                                                                                              \
		return __atomic_fetch_and(&p->v, v, __ATOMIC_SEQ_CST);                                                 \
	}                                                                                                              \
	static inline uint##bits##_t a##bits##_xchg(struct atomic##bits *p, uint##bits##_t v)                          \
	{                                                                                                              \
		return __atomic_exchange_n(&p->v, v, __ATOMIC_SEQ_CST);                                                \
	}                                                                                                              \
	static inline bool a##bits##_cas(struct atomic##bits *p, uint##bits##_t *expect, uint##bits##_t v)             \
	{                                                                                                              \
		return __atomic_compare_exchange_n(&p->v, expect, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);       \
	}

SCHED_ATOMIC(32)
SCHED_ATOMIC(64)
#undef SCHED_ATOMIC

/* ThreadSanitizer knows no fences and gcc refuses them beside it. There a locked instruction on a word of the thread's
 * own takes its place: the same barrier for the processor, and no happens-before edge that could hide a race. What the
 * fence protects must therefore be published by the acquire loads and release stores around it, never by it alone. */
static inline void fence_full(void)
{
#if SCHED_TSAN
	__atomic_exchange_n(&sched_tls.fence, 0, __ATOMIC_SEQ_CST);
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static inline uint32_t shm_load32(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void shm_store32(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, v, __ATOMIC_RELEASE);
}

#endif
