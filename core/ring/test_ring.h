/* What the tests of the request layer share: a ring as user space sees it, and a body run under many schedules.
 *
 * A test's body is the first task of a process of its own. settle() lets everything else come to rest (on sim exactly, as
 * time only moves when nothing else can; on threads most likely), without running local work of DEFER_TASKRUN rings. */
#ifndef CORE_RING_TEST_RING_H
#define CORE_RING_TEST_RING_H

#include "core/base/check.h"
#include "core/base/uapi.h"
#include "core/engine.h"
#include "sched/sched.h"

enum {
	DEFAULT = 0,
	COOP = IORING_SETUP_COOP_TASKRUN,
	DEFER = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
};
enum { L = IOSQE_IO_LINK, HL = IOSQE_IO_HARDLINK, A = IOSQE_ASYNC, DR = IOSQE_IO_DRAIN, SK = IOSQE_CQE_SKIP_SUCCESS };

enum { TR_MAX_SEEN = 512, NO_CQE = 0x7fffffff };
#define NEVER_NS (1000ull * 3600 * 1000000000ull)
#define MS 1000000ull

struct tr {
	int fd;
	struct io_uring_params p;
	char *mem;
	struct io_uring_sqe *sqes;
	unsigned int filled; /* not yet submitted */
	struct __kernel_timespec ts[64]; /* of timeouts, by SQE */
	/* CQEs in the order of reaping. */
	unsigned int nr;
	struct io_uring_cqe seen[TR_MAX_SEEN];
};

struct tr_pipe {
	int out, in;
};

void tr_open(struct tr *r, unsigned int entries, unsigned int flags);
void tr_open_cq(struct tr *r, unsigned int entries, unsigned int cq_entries, unsigned int flags);
/* Unmaps and closes; requests may be in flight. */
void tr_close(struct tr *r);
uint32_t *tr_word(struct tr *r, uint32_t offset);

struct io_uring_sqe *tr_sqe(struct tr *r, uint8_t op, uint64_t ud, unsigned int flags);
void tr_nop(struct tr *r, uint64_t ud, unsigned int flags);
void tr_nop_res(struct tr *r, uint64_t ud, unsigned int flags, int res); /* with that result */
void tr_read(struct tr *r, uint64_t ud, unsigned int flags, int fd, void *buf, unsigned int len);
void tr_write(struct tr *r, uint64_t ud, unsigned int flags, int fd, const void *buf, unsigned int len);
void tr_poll(struct tr *r, uint64_t ud, unsigned int flags, int fd, unsigned int events);
void tr_timeout(struct tr *r, uint64_t ud, unsigned int flags, uint64_t ns, unsigned int count);
void tr_lt(struct tr *r, uint64_t ud, unsigned int flags, uint64_t ns);
void tr_cancel(struct tr *r, uint64_t ud, unsigned int flags, uint64_t target, unsigned int cancel_flags);
void tr_timeout_remove(struct tr *r, uint64_t ud, unsigned int flags, uint64_t target);

/* Submits what is filled in; GETEVENTS only if wait >= 0. Reaps what is there then. */
int tr_enter(struct tr *r, int wait);
int tr_submit(struct tr *r); /* likewise, without GETEVENTS */
/* Waits until nr CQEs have been reaped in all. Fails the test if they do not come within a minute. */
bool tr_want(struct tr *r, unsigned int nr);
unsigned int tr_reap(struct tr *r);
/* enter with a time-out; its return value. */
int tr_wait_ns(struct tr *r, unsigned int min, uint64_t ns);

int tr_sync_cancel(struct tr *r, uint64_t target, unsigned int flags, uint64_t ns);

int tr_res(struct tr *r, uint64_t ud); /* NO_CQE: none seen */
int tr_pos(struct tr *r, uint64_t ud); /* place among those seen, -1 */
unsigned int tr_count(struct tr *r, uint64_t ud);

/* DEFAULT, COOP or DEFER, by the seed. */
unsigned int any_kind(void);
void settle(void);
/* A bounded worker of a default ring's task, limit 1, blocked in READ ud of an empty pipe until somebody writes there or
 * it is cancelled; NOP ud - 1 went before it. */
void block_bounded(struct tr *r, uint64_t ud, struct tr_pipe *p, void *buf);
/* Time passes in user mode. */
void user_sleep(uint64_t ns);
void tr_pipe(struct tr_pipe *p);
void tr_max_workers(struct tr *r, unsigned int bounded, unsigned int unbounded);
int tr_temp_file(uint64_t size);

/* Runs body as the first task of a process, under `seeds` schedules. */
void on_seeds(void (*body)(void), unsigned int seeds);
struct engine_process *test_process(void);
uint64_t test_seed(void);
bool test_note(bool ok); /* names the seed when something failed */

#define T(cond) test_note(CHECK(cond))
#define T_OP(a, op, b) test_note(CHECK_OP(a, op, b))
#define T_RES(r, ud, op, b) test_note(CHECK_OP(tr_res(r, ud), op, b))

#define ENGINE_TEST(name, seeds)                                                                                       \
	static void name##_body(void);                                                                                 \
	static void name(void)                                                                                         \
	{                                                                                                              \
		on_seeds(name##_body, seeds);                                                                          \
	}                                                                                                              \
	static void name##_body(void)

#endif
