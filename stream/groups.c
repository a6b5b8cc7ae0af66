#include "stream/groups.h"

#include <linux/io_uring.h>
#include <string.h>

#include "core/base/uapi.h"
#include "stream/optable.h"

/* Union-find; the root of a set is its first member. */
struct sets {
	const struct stream *s;
	uint8_t parent[STREAM_MAX_REQS];
	uint8_t ring[STREAM_MAX_REQS];
};

static unsigned int root_of(struct sets *u, unsigned int i)
{
	while (u->parent[i] != i) {
		u->parent[i] = u->parent[u->parent[i]];
		i = u->parent[i];
	}
	return i;
}

static void couple(struct sets *u, unsigned int a, unsigned int b)
{
	a = root_of(u, a);
	b = root_of(u, b);
	if (a < b)
		u->parent[b] = (uint8_t)a;
	else
		u->parent[a] = (uint8_t)b;
}

/* A canceller by descriptor holds it itself: others of its kind find it by that. */
static bool holds_fd(const struct sreq *r)
{
	return stream_op_is(r->op, OP_HOLDS) || (r->op == SOP_ASYNC_CANCEL && (r->op_flags & IORING_ASYNC_CANCEL_FD));
}

/* A link_timeout needs no rule of its own: it stands in its target's chain. */
static bool selects(const struct sreq *c, const struct sreq *r, unsigned int index)
{
	if (c->op == SOP_TIMEOUT_REMOVE)
		return c->target == index;
	if (c->op != SOP_ASYNC_CANCEL)
		return false;
	if (c->op_flags & IORING_ASYNC_CANCEL_ANY)
		return true;
	if ((c->op_flags & IORING_ASYNC_CANCEL_FD) && !(holds_fd(r) && stream_same_fd(&c->fd, &r->fd)))
		return false;
	if ((c->op_flags & AU_ASYNC_CANCEL_OP) && stream_ops[c->cancel_op].opcode != stream_ops[r->op].opcode)
		return false;
	return !stream_cancel_by_target(c->op_flags) || c->target == index;
}

static void couple_cancels(struct sets *u)
{
	const struct stream *s = u->s;

	for (unsigned int c = 0; c < s->nr_reqs; c++) {
		if (s->reqs[c].op != SOP_TIMEOUT_REMOVE && s->reqs[c].op != SOP_ASYNC_CANCEL)
			continue;
		for (unsigned int r = 0; r < s->nr_reqs; r++)
			if (r != c && u->ring[r] == u->ring[c] && selects(&s->reqs[c], &s->reqs[r], r))
				couple(u, c, r);
	}
}

static void couple_steps(struct sets *u)
{
	const uint8_t links = IOSQE_IO_LINK | IOSQE_IO_HARDLINK;
	const struct stream *s = u->s;

	for (unsigned int i = 0; i < s->nr_steps; i++) {
		const struct step *t = &s->steps[i];

		if (t->kind != STEP_SUBMIT)
			continue;
		for (unsigned int k = 0; k < t->nr_reqs; k++) {
			unsigned int r = t->first_req + k;

			u->ring[r] = t->ring;
			if (k > 0 && (s->reqs[r - 1].sqe_flags & links))
				couple(u, r - 1, r);
		}
	}
}

/* Its end is gone when no table has it any more: that is not followed. */
static bool closed_and_registered(const struct stream *s, unsigned int obj)
{
	for (unsigned int i = 0; i < s->nr_steps; i++)
		if (s->steps[i].kind == STEP_CLOSE && s->steps[i].fd.kind == FD_OBJ && s->steps[i].fd.obj == obj &&
		    stream_registers_file(s, &s->steps[i].fd))
			return true;
	return false;
}

bool stream_is_vague(const struct stream *s, unsigned int obj)
{
	if (closed_and_registered(s, obj))
		return true;
	for (unsigned int i = 0; i < s->nr_reqs; i++) {
		const struct sreq *r = &s->reqs[i];

		if (stream_closes_fd(r) && r->fd.obj == obj)
			return true;
		if (stream_op_is(r->op, OP_MOVES) &&
		    ((r->fd.kind == FD_OBJ && r->fd.obj == obj) || (r->in.kind == FD_OBJ && r->in.obj == obj)))
			return true;
	}
	return false;
}

static void couple_objects(struct sets *u)
{
	uint8_t user[STREAM_MAX_OBJS];

	bool spliced[STREAM_MAX_OBJS];

	memset(user, STREAM_NONE, sizeof(user));
	for (unsigned int i = 0; i < u->s->nr_objs; i++)
		spliced[i] = stream_is_vague(u->s, i);
	for (unsigned int i = 0; i < u->s->nr_reqs; i++) {
		const struct sreq *r = &u->s->reqs[i];
		bool file = r->fd.kind == FD_OBJ && u->s->objs[r->fd.obj].kind == OBJ_FILE;

		if (r->fd.kind != FD_OBJ || spliced[r->fd.obj] ||
		    !(stream_op_is(r->op, OP_TRANSFERS | OP_SIZES) || (r->op == SOP_POLL_ADD && !file)))
			continue;
		if (user[r->fd.obj] != STREAM_NONE)
			couple(u, user[r->fd.obj], i);
		user[r->fd.obj] = (uint8_t)i;
	}
}

static void couple_drains(struct sets *u)
{
	uint8_t first[STREAM_MAX_RINGS];
	bool drains[STREAM_MAX_RINGS] = { false };

	memset(first, STREAM_NONE, sizeof(first));
	for (unsigned int i = 0; i < u->s->nr_reqs; i++)
		drains[u->ring[i]] |= !!(u->s->reqs[i].sqe_flags & IOSQE_IO_DRAIN);
	for (unsigned int i = 0; i < u->s->nr_reqs; i++) {
		unsigned int ring = u->ring[i];

		if (first[ring] == STREAM_NONE)
			first[ring] = (uint8_t)i;
		else if (drains[ring])
			couple(u, first[ring], i);
	}
}

unsigned int stream_groups(const struct stream *s, uint8_t group_of[STREAM_MAX_REQS])
{
	struct sets u = { .s = s };
	unsigned int nr = 0;

	for (unsigned int i = 0; i < s->nr_reqs; i++)
		u.parent[i] = (uint8_t)i;
	couple_steps(&u);
	couple_cancels(&u);
	couple_objects(&u);
	couple_drains(&u);
	for (unsigned int i = 0; i < s->nr_reqs; i++) {
		unsigned int root = root_of(&u, i);

		group_of[i] = root == i ? (uint8_t)nr++ : group_of[root];
	}
	return nr;
}

unsigned int stream_largest_group(const struct stream *s)
{
	uint8_t group_of[STREAM_MAX_REQS];
	unsigned int size[STREAM_MAX_REQS] = { 0 }, most = 0;

	stream_groups(s, group_of);
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		if (++size[group_of[i]] > most)
			most = size[group_of[i]];
	return most;
}
