/* What one request is about. */
#include "stream/generate_req.h"

#include <linux/fs.h>
#include <poll.h>
#include <string.h>

#include "core/base/uapi.h"
#include "stream/optable.h"

uint32_t gen_len(struct gen *g)
{
	static const uint32_t big[] = { 4096, 4097, 8192, 65536, 65552, 69632, 100000 };

	if (gen_chance(g, GEN_ZERO))
		return 0;
	if (gen_chance(g, GEN_BIG))
		return big[prng_below(&g->p, sizeof(big) / sizeof(big[0]))];
	return prng_chance(&g->p, 1, 2) ? 8 : 1 + prng_below(&g->p, 16);
}

uint64_t gen_value(struct gen *g)
{
	unsigned int how = prng_below(&g->p, 40);

	if (how == 0)
		return UINT64_MAX - 1;
	if (how == 1)
		return UINT64_MAX;
	return how == 2 ? 0 : 1 + how % 3;
}

static uint64_t gen_time(struct gen *g)
{
	unsigned int how = prng_below(&g->p, 16);

	if (g->slow) {
		g->slow = false;
		return prng_range(&g->p, 1, 20) * 1000000ull;
	}
	if (how < 3)
		return 0;
	return how < 11 ? prng_range(&g->p, 1, 50) * 1000ull : STREAM_NEVER_NS;
}

/* An object of that kind, OBJ_KINDS: of any; none at times. */
static struct fdref gen_fd(struct gen *g, unsigned int kind)
{
	unsigned int at = prng_below(&g->p, g->s->nr_objs ? g->s->nr_objs : 1);
	struct fdref fd = { .kind = FD_BAD };

	if (gen_chance(g, GEN_BAD_FD))
		return fd;
	for (unsigned int i = 0; i < g->s->nr_objs; i++) {
		unsigned int obj = (at + i) % g->s->nr_objs;

		if (kind == OBJ_KINDS ? g->s->objs[obj].kind != OBJ_FIFO : g->s->objs[obj].kind == kind)
			return (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)obj };
	}
	return fd;
}

static unsigned int kind_of(const struct gen *g, const struct fdref *fd)
{
	return fd->kind == FD_OBJ ? g->s->objs[fd->obj].kind : OBJ_KINDS;
}

static void gen_pipe(struct gen *g, struct sreq *r, bool read)
{
	r->fd = gen_fd(g, OBJ_PIPE);
	/* Several readers of one pipe blur who gets what: they are for pipes that are meant so. */
	if (read && r->fd.kind == FD_OBJ && g->readers[r->fd.obj]++ && !g->shared[r->fd.obj] &&
	    !prng_chance(&g->p, 1, 8))
		read = false;
	r->op = read ? SOP_READ : SOP_WRITE;
	r->len = gen_len(g);
	if (r->fd.kind == FD_OBJ) {
		r->fd.end = read ? END_OUT : END_IN;
		/* The wrong end, rarely. */
		if (prng_chance(&g->p, 1, 60))
			r->fd.end ^= 1;
		if (gen_chance(g, GEN_NOWAIT))
			r->op_flags = RWF_NOWAIT;
	}
}

static void gen_event(struct gen *g, struct sreq *r, bool read)
{
	r->fd = gen_fd(g, OBJ_EVENTFD);
	r->op = read ? SOP_READ : SOP_WRITE;
	r->len = r->fd.kind == FD_OBJ && gen_chance(g, GEN_ZERO) ? 4 : 8;
	if (!read && r->fd.kind == FD_OBJ)
		r->value = gen_value(g);
}

static void gen_file(struct gen *g, struct sreq *r, bool read)
{
	static const uint16_t offs[] = { 0, 0, 10, 100, 500, 512, 4000, 4096 };
	static const uint16_t lens[] = { 1, 10, 100, 500, 512, 1000, 4096, 5000 };

	r->fd = gen_fd(g, OBJ_FILE);
	r->op = read ? SOP_READ : SOP_WRITE;
	r->len = lens[prng_below(&g->p, 8)];
	if (gen_chance(g, GEN_ZERO))
		r->len = 0;
	if (r->fd.kind != FD_OBJ)
		return;
	r->off = offs[prng_below(&g->p, 8)];
	if (gen_chance(g, GEN_POSITION)) {
		/* Bounded, since each may make the file longer. */
		r->len %= 512;
		if (!read && prng_chance(&g->p, 1, 2))
			r->op_flags = RWF_APPEND;
		else
			r->off = -1;
	}
}

/* Mostly of a file; of others it is refused, and goes on with its chain all the same. */
static void gen_fsync(struct gen *g, struct sreq *r)
{
	bool file = prng_chance(&g->p, 3, 4), data = prng_chance(&g->p, 1, 4);

	r->fd = gen_fd(g, file ? OBJ_FILE : OBJ_KINDS);
	if (r->fd.kind == FD_BAD && g->s->nr_objs)
		r->fd = gen_fd(g, OBJ_KINDS);
	r->op = SOP_FSYNC;
	r->op_flags = data ? IORING_FSYNC_DATASYNC : 0;
}

static void gen_resize(struct gen *g, struct sreq *r)
{
	static const uint16_t sizes[] = { 0, 100, 512, 4096, 5000, 8192 };
	static const uint16_t offs[] = { 0, 100, 4096, 6000 };
	unsigned int size = sizes[prng_below(&g->p, 6)], off = offs[prng_below(&g->p, 4)];
	bool cuts = prng_chance(&g->p, 1, 2);

	r->fd = gen_fd(g, OBJ_FILE);
	r->op = cuts ? SOP_FTRUNCATE : SOP_FALLOCATE;
	r->len = size || cuts || gen_chance(g, GEN_ZERO) ? size : 512;
	if (!cuts && r->fd.kind == FD_OBJ)
		r->off = off;
}

/* Reading and writing, by a worker and not. */
static void gen_open(struct gen *g, struct sreq *r)
{
	bool in = prng_chance(&g->p, 1, 2), async = prng_chance(&g->p, 1, 2);

	r->op = SOP_OPENAT;
	r->fd = gen_fd(g, OBJ_FIFO);
	if (r->fd.kind == FD_OBJ && in)
		r->fd.end = END_IN;
	if (async && g->weight[GEN_ASYNC])
		r->sqe_flags |= IOSQE_ASYNC;
}

static void gen_trivial(struct gen *g, struct sreq *r)
{
	static const uint8_t ops[] = { SOP_STATX, SOP_SYNC_FILE_RANGE, SOP_MADVISE };

	r->op = ops[prng_below(&g->p, 3)];
	if (r->op == SOP_STATX) {
		r->fd = gen_fd(g, OBJ_KINDS);
	} else if (r->op == SOP_SYNC_FILE_RANGE) {
		r->fd = gen_fd(g, OBJ_FILE);
		r->len = prng_below(&g->p, 5000);
	}
}

/* Of what nobody has closed, or is to close; otherwise of what is not there. */
static void gen_close_fd(struct gen *g, struct sreq *r)
{
	bool in = prng_chance(&g->p, 2, 3);

	r->op = SOP_CLOSE;
	r->fd = gen_fd(g, OBJ_KINDS);
	if (g->fixed && prng_chance(&g->p, 3, 4)) {
		r->sqe_flags = IOSQE_FIXED_FILE;
		return;
	}
	if (kind_of(g, &r->fd) == OBJ_PIPE && in)
		r->fd.end = END_IN;
	if (r->fd.kind == FD_OBJ && (stream_opens(g->s) || g->end_gone[r->fd.obj][r->fd.end]))
		r->fd = (struct fdref){ .kind = FD_BAD };
	if (r->fd.kind == FD_OBJ)
		g->end_gone[r->fd.obj][r->fd.end] = true;
}

/* From one pipe to another, rarely to itself, or by the wrong end; or from a file. */
static void gen_splice(struct gen *g, struct sreq *r)
{
	bool file = prng_chance(&g->p, 1, 8), tee = prng_chance(&g->p, 1, 4), odd = prng_chance(&g->p, 1, 24);

	r->op = tee && !file ? SOP_TEE : SOP_SPLICE;
	r->len = gen_len(g);
	r->fd = gen_fd(g, OBJ_PIPE);
	r->in = gen_fd(g, file ? OBJ_FILE : OBJ_PIPE);
	if (r->in.kind == FD_BAD && file)
		r->in = gen_fd(g, OBJ_PIPE);
	if (kind_of(g, &r->in) == OBJ_FILE)
		r->in_off = prng_chance(&g->p, 1, 4) ? -1 : (int)prng_below(&g->p, 600);
	for (unsigned int i = 0;
	     i < 4 && r->in.kind == FD_OBJ && r->fd.kind == FD_OBJ && r->in.obj == r->fd.obj && !odd; i++)
		r->fd = gen_fd(g, OBJ_PIPE);
	if (r->fd.kind == FD_OBJ)
		r->fd.end = odd && prng_chance(&g->p, 1, 2) ? END_OUT : END_IN;
}

/* The same in pieces. */
static void gen_vector(struct gen *g, struct sreq *r)
{
	unsigned int n = prng_range(&g->p, 1, 4);

	if (!stream_op_is(r->op, OP_TRANSFERS) || !gen_chance(g, GEN_VECTOR))
		return;
	r->op = r->op == SOP_READ ? SOP_READV : SOP_WRITEV;
	r->iovs = kind_of(g, &r->fd) == OBJ_EVENTFD ? 1 : (uint8_t)n;
}

static void gen_poll(struct gen *g, struct sreq *r)
{
	static const uint8_t masks[] = { POLLIN, POLLIN, POLLIN, POLLOUT, POLLIN | POLLOUT, POLLHUP, POLLPRI };

	r->fd = gen_fd(g, OBJ_KINDS);
	r->op = SOP_POLL_ADD;
	if (kind_of(g, &r->fd) == OBJ_PIPE)
		r->fd.end = prng_chance(&g->p, 1, 4) ? END_IN : END_OUT;
	r->op_flags = masks[prng_below(&g->p, sizeof(masks))];
}

void gen_timeout(struct gen *g, struct sreq *r)
{
	r->op = SOP_TIMEOUT;
	r->ts = gen_time(g);
	if (gen_chance(g, GEN_COUNT))
		r->count = prng_range(&g->p, 1, 3);
	if (prng_chance(&g->p, 1, 16))
		r->op_flags = IORING_TIMEOUT_ETIME_SUCCESS;
	else if (prng_chance(&g->p, 1, 32))
		r->op_flags = IORING_TIMEOUT_BOOTTIME;
}

static void gen_cancel(struct gen *g, struct sreq *r)
{
	r->op = SOP_ASYNC_CANCEL;
	if (!gen_chance(g, GEN_WIDE))
		return;
	switch (prng_below(&g->p, 6)) {
	case 0:
		r->op_flags = IORING_ASYNC_CANCEL_ANY;
		break;
	case 1:
		r->op_flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
		break;
	case 2:
		r->op_flags = IORING_ASYNC_CANCEL_ALL;
		break;
	case 3:
		r->op_flags = IORING_ASYNC_CANCEL_FD;
		break;
	case 4:
		r->op_flags = AU_ASYNC_CANCEL_OP;
		break;
	default:
		r->op_flags = AU_ASYNC_CANCEL_OP | AU_ASYNC_CANCEL_USERDATA;
		break;
	}
	if (r->op_flags & IORING_ASYNC_CANCEL_FD) {
		r->fd = gen_fd(g, prng_chance(&g->p, 3, 4) ? OBJ_PIPE : OBJ_KINDS);
		if (kind_of(g, &r->fd) == OBJ_PIPE)
			r->fd.end = prng_chance(&g->p, 1, 4) ? END_IN : END_OUT;
	}
	if (r->op_flags & AU_ASYNC_CANCEL_OP)
		r->cancel_op = (uint8_t)prng_below(&g->p, SOP_NR);
	if (!(r->op_flags & IORING_ASYNC_CANCEL_ANY) && prng_chance(&g->p, 1, 3))
		r->op_flags |= IORING_ASYNC_CANCEL_ALL;
}

/* Something the kernel refuses before it runs anything. */
static void gen_unfit(struct gen *g, struct sreq *r)
{
	switch (prng_below(&g->p, 5)) {
	case 0:
		r->op = SOP_TIMEOUT;
		r->op_flags = IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME;
		break;
	case 1:
		r->op = SOP_ASYNC_CANCEL;
		r->op_flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_FD;
		break;
	case 2:
		r->op = SOP_NOP;
		r->sqe_flags = IOSQE_BUFFER_SELECT;
		break;
	case 3:
		r->op = SOP_STATX;
		r->sqe_flags = IOSQE_FIXED_FILE;
		break;
	default:
		r->op = SOP_LINK_TIMEOUT;
		r->ts = gen_time(g);
		break;
	}
}

/* Mostly to a ring there is; a file where tables are. */
static void gen_send(struct gen *g, struct sreq *r)
{
	bool file = prng_chance(&g->p, g->tables ? 7 : 1, 8), none = gen_chance(g, GEN_BAD_FD);
	unsigned int to = prng_below(&g->p, g->s->nr_rings), res = prng_below(&g->p, 100);
	bool skips = prng_chance(&g->p, 1, file ? 4 : 24), pass = prng_chance(&g->p, 1, 4);

	r->op = file ? SOP_SEND_FD : SOP_MSG_RING;
	r->to = none ? STREAM_NONE : (uint8_t)to;
	if (g->exits && stream_may_hold_itself(g->s, g->ring, r))
		r->to = STREAM_NONE;
	r->op_flags = (skips ? IORING_MSG_RING_CQE_SKIP : 0) | (pass ? AU_MSG_RING_FLAGS_PASS : 0);
	if (!file) {
		r->count = res;
		return;
	}
	r->fd = gen_fd(g, OBJ_KINDS);
	if (kind_of(g, &r->fd) == OBJ_PIPE && prng_chance(&g->p, 1, 2))
		r->fd.end = END_IN;
}

static unsigned int choose_op(struct gen *g)
{
	unsigned int sum = 0, at, op = 0;

	for (unsigned int i = 0; i < GEN_OPS; i++)
		sum += g->weight[i];
	at = prng_below(&g->p, sum);
	while (at >= g->weight[op])
		at -= g->weight[op++];
	return op;
}

static void gen_op(struct gen *g, struct sreq *r)
{
	unsigned int op = choose_op(g);

	switch (op) {
	case GEN_PIPE_READ:
	case GEN_PIPE_WRITE:
		gen_pipe(g, r, op == GEN_PIPE_READ);
		break;
	case GEN_EVENT_READ:
	case GEN_EVENT_WRITE:
		gen_event(g, r, op == GEN_EVENT_READ);
		break;
	case GEN_FILE_READ:
	case GEN_FILE_WRITE:
		gen_file(g, r, op == GEN_FILE_READ);
		break;
	case GEN_POLL:
		gen_poll(g, r);
		break;
	case GEN_TIMEOUT:
		gen_timeout(g, r);
		break;
	case GEN_REMOVE:
		r->op = SOP_TIMEOUT_REMOVE;
		break;
	case GEN_CANCEL:
		gen_cancel(g, r);
		break;
	case GEN_FSYNC:
		gen_fsync(g, r);
		break;
	case GEN_RESIZE:
		gen_resize(g, r);
		break;
	case GEN_SPLICE:
		gen_splice(g, r);
		break;
	case GEN_OPEN:
		gen_open(g, r);
		break;
	case GEN_TRIVIAL:
		gen_trivial(g, r);
		break;
	case GEN_CLOSING:
		gen_close_fd(g, r);
		break;
	case GEN_MSG:
		gen_send(g, r);
		break;
	default:
		r->op = SOP_NOP;
		break;
	}
	gen_vector(g, r);
}

static void gen_fixed(struct gen *g, struct sreq *r)
{
	bool in = gen_chance(g, GEN_FIXED);

	if (gen_chance(g, GEN_FIXED) && stream_may_be_fixed(r) && r->op != SOP_STATX)
		r->sqe_flags |= IOSQE_FIXED_FILE;
	if (in && stream_op_is(r->op, OP_MOVES))
		r->op_flags |= SPLICE_F_FD_IN_FIXED;
}

void gen_request(struct gen *g, struct sreq *r, bool timer)
{
	bool unfit = gen_chance(g, GEN_PREP);

	*r = (struct sreq){ .target = STREAM_NONE };
	if (timer) {
		r->op = SOP_LINK_TIMEOUT;
		r->ts = gen_time(g);
		return;
	}
	if (unfit)
		gen_unfit(g, r);
	else
		gen_op(g, r);
	if (g->fixed)
		gen_fixed(g, r);
	if (gen_chance(g, GEN_ASYNC))
		r->sqe_flags |= IOSQE_ASYNC;
	if (gen_chance(g, GEN_DRAIN))
		r->sqe_flags |= IOSQE_IO_DRAIN;
	if (gen_chance(g, GEN_SKIP))
		r->sqe_flags |= IOSQE_CQE_SKIP_SUCCESS;
}

static bool interests(const struct sreq *r, unsigned int who)
{
	return who == SOP_TIMEOUT_REMOVE ? r->op == SOP_TIMEOUT :
					   r->op != SOP_NOP && r->op != SOP_ASYNC_CANCEL && r->op != SOP_TIMEOUT_REMOVE;
}

/* Does it wait for something, or for its turn? */
static bool may_linger(const struct gen *g, const struct sreq *r)
{
	bool file = r->fd.kind == FD_OBJ && g->s->objs[r->fd.obj].kind == OBJ_FILE;

	return stream_is_async(r) || r->op == SOP_TIMEOUT || r->op == SOP_POLL_ADD ||
	       (stream_op_is(r->op, OP_READS) && r->fd.kind == FD_OBJ && !file);
}

/* In coupled streams: one of the last few that may still be there. */
static bool gen_recent(struct gen *g, unsigned int i, uint8_t *target)
{
	unsigned int back = 1 + prng_below(&g->p, 5);

	for (unsigned int k = i < back ? 0 : i - back; k < i; k++)
		if (interests(&g->s->reqs[k], g->s->reqs[i].op) && may_linger(g, &g->s->reqs[k])) {
			*target = (uint8_t)k;
			return true;
		}
	return false;
}

/* Mostly an earlier request, preferably one that may still be there; sometimes one of its own chain, a later one,
 * itself or none. */
static uint8_t gen_target(struct gen *g, unsigned int i)
{
	const struct stream *s = g->s;
	unsigned int how = prng_below(&g->p, 20), at = prng_below(&g->p, s->nr_reqs);
	uint8_t recent;

	if (how == 0)
		return STREAM_NONE;
	if (how == 1)
		return (uint8_t)at;
	if (how < 5) {
		unsigned int first = stream_chain_first(s, i), last = stream_chain_last(s, i);

		return (uint8_t)prng_range(&g->p, first, last);
	}
	if (i == 0)
		return (uint8_t)at;
	if (g->coupled && prng_chance(&g->p, 3, 4) && gen_recent(g, i, &recent))
		return recent;
	at = prng_below(&g->p, i);
	for (unsigned int k = 0; k < i; k++)
		if (interests(&s->reqs[(at + k) % i], s->reqs[i].op))
			return (uint8_t)((at + k) % i);
	return (uint8_t)at;
}

void gen_targets(struct gen *g)
{
	for (unsigned int i = 0; i < g->s->nr_reqs; i++) {
		struct sreq *r = &g->s->reqs[i];

		if (g->aimed[i])
			continue;
		if (r->op == SOP_TIMEOUT_REMOVE || (r->op == SOP_ASYNC_CANCEL && stream_cancel_by_target(r->op_flags)))
			r->target = gen_target(g, i);
	}
}
