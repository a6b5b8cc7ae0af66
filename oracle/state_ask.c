/* Questions to the judge of states: of a whole record, of its beginning, of one in which something else was seen. */
#include <errno.h>
#include <string.h>

#include "oracle/scratch.h"
#include "oracle/state.h"
#include "stream/groups.h"

/* States: for one record; and for all further questions about it. */
enum { BUDGET = 20000, ASK_BUDGET = 10 * BUDGET };

/* Memory for one question at a time; a judge does not call itself. */
struct mem {
	struct plan plan;
	struct times times, until; /* of the whole record; of its beginning */
	struct facts facts; /* as they would be, had something else been seen */
	uint8_t group_of[STREAM_MAX_REQS];
	unsigned int left, ask_left; /* of the budgets */
};

static struct mem *mem_of(void)
{
	return scratch(SCRATCH_ASK, sizeof(struct mem));
}

unsigned int ask_groups(const struct facts *f)
{
	struct mem *mem = mem_of();

	mem->left = BUDGET;
	mem->ask_left = ASK_BUDGET;
	times_tell(&mem->times, f, NO_EVENT);
	return stream_groups(f->s, mem->group_of);
}

enum set_end ask_group(const struct facts *f, unsigned int group, struct plan **plan)
{
	struct mem *mem = mem_of();
	unsigned int where;

	*plan = &mem->plan;
	plan_make(&mem->plan, f, &mem->times, mem->group_of, group, NO_EVENT);
	return mem->plan.coupled ? sets_run(&mem->plan, &mem->left, &where) : SET_ALLOWED;
}

enum set_end ask_until(const struct facts *f, unsigned int group, uint32_t limit, struct plan **plan,
		       unsigned int *where)
{
	struct mem *mem = mem_of();

	*plan = &mem->plan;
	times_tell(&mem->until, f, limit);
	plan_make(&mem->plan, f, &mem->until, mem->group_of, group, limit);
	return sets_run(&mem->plan, &mem->ask_left, where);
}

uint32_t ask_first_event(const struct facts *f, unsigned int group)
{
	uint32_t lo = 0, hi = f->rec->nr; /* with lo events all is well, with hi it is not */
	unsigned int where;
	struct plan *p;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (ask_until(f, group, mid, &p, &where) == SET_EMPTY)
			hi = mid;
		else
			lo = mid;
	}
	return hi - 1;
}

bool ask_instead(const struct facts *f, unsigned int group, uint32_t ev, unsigned int r, int32_t res,
		 struct plan **plan)
{
	struct facts *other = &mem_of()->facts;
	unsigned int where;

	memcpy(other, f, sizeof(*other));
	other->req[r].res = res;
	return ask_until(other, group, ev + 1, plan, &where) == SET_ALLOWED;
}

bool ask_late(const struct facts *f, unsigned int group, uint32_t ev, unsigned int r)
{
	struct mem *mem = mem_of();
	struct plan *p = &mem->plan;
	unsigned int where;

	times_tell(&mem->until, f, ev + 1);
	plan_make(p, f, &mem->until, mem->group_of, group, ev + 1);
	p->member[p->member_of[r]].overflows = true;
	return sets_run(p, &mem->ask_left, &where) == SET_ALLOWED;
}

/* Is the content of the thing that r is about told? */
static bool told(const struct facts *f, unsigned int group, uint32_t ev, unsigned int r)
{
	unsigned int where;
	struct plan *p;

	ask_until(f, group, ev + 1, &p, &where);
	return p->member[p->member_of[r]].obj != NOBODY && p->thing[p->member[p->member_of[r]].obj].crisp;
}

void ask_others(const struct facts *f, unsigned int group, uint32_t ev, unsigned int r,
		void (*found)(void *ctx, int32_t res, struct plan *plan), void *ctx)
{
	static const int32_t results[] = { 0, -ECANCELED, -EINTR, -ETIME, -EALREADY, -ENOENT };
	static const uint8_t of[SOP_NR] = {
		[SOP_NOP] = 0x03,
		[SOP_READ] = 0x07,
		[SOP_WRITE] = 0x06,
		[SOP_POLL_ADD] = 0x02,
		[SOP_TIMEOUT] = 0x0b,
		[SOP_TIMEOUT_REMOVE] = 0x33,
		[SOP_LINK_TIMEOUT] = 0x3a,
		[SOP_ASYNC_CANCEL] = 0x33,
		[SOP_FSYNC] = 0x03,
		[SOP_FALLOCATE] = 0x07,
		[SOP_FTRUNCATE] = 0x03,
		[SOP_READV] = 0x07,
		[SOP_WRITEV] = 0x06,
		[SOP_SPLICE] = 0x07,
		[SOP_TEE] = 0x07,
		[SOP_OPENAT] = 0x06,
		[SOP_CLOSE] = 0x03,
		[SOP_STATX] = 0x03,
		[SOP_SYNC_FILE_RANGE] = 0x03,
		[SOP_MADVISE] = 0x03,
		[SOP_MSG_RING] = 0x03,
		[SOP_SEND_FD] = 0x03,
	};
	const struct sreq *q = &f->s->reqs[r];
	bool counts = stream_op_is(q->op, OP_TRANSFERS);
	struct plan *p;
	uint32_t n;

	for (unsigned int i = 0; i < sizeof(results) / sizeof(results[0]); i++)
		if ((of[q->op] >> i & 1) && results[i] != f->req[r].res && ask_instead(f, group, ev, r, results[i], &p))
			found(ctx, results[i], p);
	/* Counts: where what is there is told, only one of them fits. */
	n = q->fd.kind == FD_OBJ && f->s->objs[q->fd.obj].kind == OBJ_EVENTFD ? 8 : told(f, group, ev, r) ? 1 : q->len;
	for (; counts && n <= q->len; n = n < 64 || n == q->len ? n + 1 : q->len)
		if ((int32_t)n != f->req[r].res && ask_instead(f, group, ev, r, (int32_t)n, &p))
			found(ctx, (int32_t)n, p);
}
