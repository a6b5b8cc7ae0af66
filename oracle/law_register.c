/* Registration: how many workers a task's io-wq may have, and where they may run.
 *
 * A task gets its io-wq when it first uses a ring: sets it up, or gives it something to submit. Nothing else that a
 * record shows makes one or ends one but the exit of its task, so what each limit is can be told at every step. The
 * behaviour is that of io_register_iowq_max_workers(), __io_uring_add_tctx_node() and io_wq_max_workers() in 6.12 and
 * 6.18; probed on 6.18. */
#include <errno.h>
#include <linux/io_uring.h>

#include "oracle/court.h"

enum { BOUNDED, UNBOUNDED, LIMITS };

struct iowq {
	bool made;
	uint32_t limit[LIMITS];
};

struct registry {
	struct court *c;
	struct iowq wq[STREAM_MAX_TASKS];
	uint32_t kept[STREAM_MAX_RINGS][LIMITS]; /* by the ring; 0: none */
	bool user[STREAM_MAX_RINGS][STREAM_MAX_TASKS];
	const struct rec_event *host, *cpus; /* REC_HOST; NULL: not said */
};

static void set_limits(const struct registry *g, struct iowq *wq, const uint32_t limit[LIMITS])
{
	for (unsigned int i = 0; i < LIMITS; i++)
		if (limit[i])
			wq->limit[i] = limit[i] < (uint32_t)g->host->a ? limit[i] : (uint32_t)g->host->a;
}

/* The task uses the ring from now on. */
static void join(struct registry *g, unsigned int ring, unsigned int task)
{
	uint32_t sq = g->c->f->ring[ring].sq_entries, most = 4 * (uint32_t)g->host->res;
	struct iowq *wq = &g->wq[task];

	g->user[ring][task] = true;
	if (wq->made)
		return;
	wq->made = true;
	wq->limit[BOUNDED] = sq < most ? sq : most;
	wq->limit[UNBOUNDED] = (uint32_t)g->host->a;
	set_limits(g, wq, g->kept[ring]);
}

static void expect_return(struct registry *g, uint32_t ev, int want, int also)
{
	const struct rec_event *e = &g->c->f->rec->ev[ev];

	if (e->res != want && e->res != also)
		accuse(g->c, R_REGISTER_RETURN, ev, REC_NO_REQ, REC_NO_REQ, "step %u returned %s|%s", e->step + 1u,
		       res_name(e->res), res_name(want));
}

/* The kernel looks for the larger of a limit and 0 with its sign: RLIM_INFINITY reads as 0. */
static uint32_t as_read(uint32_t limit)
{
	return limit > INT32_MAX ? 0 : limit;
}

/* The caller's limits are returned and set; then all that the ring keeps goes to each task that uses it. */
static void max_workers(struct registry *g, const struct step *st, uint32_t ev)
{
	const struct rec_event *e = &g->c->f->rec->ev[ev];
	struct iowq *wq = &g->wq[st->task];
	bool huge = st->limit[BOUNDED] > INT32_MAX || st->limit[UNBOUNDED] > INT32_MAX;
	uint32_t bounded = wq->made ? as_read(wq->limit[BOUNDED]) : 0;
	uint32_t unbounded = wq->made ? as_read(wq->limit[UNBOUNDED]) : 0;
	int want = registers_as_foreigner(g->c->f, st) ? -EEXIST : huge ? -EINVAL : 0;

	expect_return(g, ev, want, want);
	if (want < 0)
		return;
	if (e->res == 0 && e->a != ((uint64_t)bounded << 32 | unbounded))
		accuse(g->c, R_REGISTER_LIMITS, ev, REC_NO_REQ, REC_NO_REQ,
		       "step %u read the limits %u and %u|%u bounded, %u unbounded: as they were left last",
		       e->step + 1u, (unsigned int)(e->a >> 32), (unsigned int)e->a, bounded, unbounded);
	set_limits(g, wq, st->limit);
	for (unsigned int i = 0; i < LIMITS; i++)
		if (st->limit[i])
			g->kept[st->ring][i] = st->limit[i];
	for (unsigned int t = 0; t < g->c->f->s->nr_tasks; t++)
		if (g->user[st->ring][t])
			set_limits(g, &g->wq[t], g->kept[st->ring]);
}

/* A CPU that is there must be the task's to use. Those that are not there are not looked at, but by kernels built for no
 * more than 64, which refuse them. */
static void iowq_aff(struct registry *g, const struct step *st, uint32_t ev)
{
	uint64_t there = g->cpus->res >= 64 ? UINT64_MAX : (1ull << g->cpus->res) - 1;
	bool binds = st->kind == STEP_IOWQ_AFF;
	int want = 0, also;

	if (registers_as_foreigner(g->c->f, st))
		want = -EEXIST;
	else if (!g->wq[st->task].made || (binds && (st->value & there & ~g->cpus->a)))
		want = -EINVAL;
	also = !want && binds && (st->value & ~there) && g->c->f->rec->runner == RUNNER_KERNEL ? -EINVAL : want;
	expect_return(g, ev, want, also);
}

static void step_ended(struct registry *g, uint32_t ev)
{
	const struct facts *f = g->c->f;
	const struct rec_event *e = &f->rec->ev[ev];
	const struct step *st = &f->s->steps[e->step];

	if (!stream_step_on_ring(st->kind) || !f->ring[st->ring].made || f->ring[st->ring].closed < ev)
		return;
	if (st->kind == STEP_MAX_WORKERS)
		max_workers(g, st, ev);
	else if (stream_step_on_iowq(st->kind) && g->cpus)
		iowq_aff(g, st, ev);
	else if (st->kind == STEP_SUBMIT && f->rec->ev[f->step_begin[e->step]].a && e->res != -EEXIST &&
		 e->res != -EBADFD)
		join(g, st->ring, st->task);
}

void law_register(struct court *c)
{
	const struct record *rec = c->f->rec;
	struct registry g = { .c = c };

	if (!(rec->flags & RECF_FRESH))
		return;
	for (uint32_t ev = 0; ev < rec->nr; ev++) {
		const struct rec_event *e = &rec->ev[ev];

		if (e->kind == REC_HOST && e->flags == HOST_LIMITS)
			g.host = e;
		else if (e->kind == REC_HOST)
			g.cpus = e;
		else if (e->kind == REC_RING && e->res == 0 && g.host)
			join(&g, e->ring, c->f->s->rings[e->ring].task);
		else if (e->kind == REC_END && e->step != REC_NO_STEP && g.host)
			step_ended(&g, ev);
	}
}
