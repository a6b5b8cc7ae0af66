#include "stream/model.h"

#include <linux/io_uring.h>
#include <string.h>

#include "core/base/ensure.h"
#include "stream/rules.h"

void stream_init(struct stream *s)
{
	/* The pool and the decisions are not read past their lengths: clearing them would cost more than parsing. */
	memset(s, 0, offsetof(struct stream, decisions));
	s->version = STREAM_VERSION;
	s->nr_tasks = 1;
	memcpy(s->tasks[0].name, "main", sizeof("main"));
}

static bool same_fd(const struct fdref *a, const struct fdref *b)
{
	return a->kind == b->kind && a->obj == b->obj && a->end == b->end;
}

static bool same_ring(const struct ring *a, const struct ring *b)
{
	return a->task == b->task && a->entries == b->entries && a->cq_entries == b->cq_entries && a->flags == b->flags;
}

static bool same_obj(const struct obj *a, const struct obj *b)
{
	return a->kind == b->kind && a->flags == b->flags && a->init == b->init;
}

static bool same_req(const struct sreq *a, const struct sreq *b)
{
	return a->op == b->op && a->sqe_flags == b->sqe_flags && same_fd(&a->fd, &b->fd) && a->target == b->target &&
	       a->cancel_op == b->cancel_op && same_fd(&a->in, &b->in) && a->in_off == b->in_off && a->len == b->len &&
	       a->iovs == b->iovs && a->off == b->off && a->op_flags == b->op_flags && a->count == b->count &&
	       a->to == b->to && a->value == b->value && a->ts == b->ts;
}

static bool same_step(const struct step *a, const struct step *b)
{
	return a->kind == b->kind && a->task == b->task && a->ring == b->ring && same_fd(&a->fd, &b->fd) &&
	       a->first_req == b->first_req && a->nr_reqs == b->nr_reqs && a->wait_nr == b->wait_nr &&
	       a->wait == b->wait && a->len == b->len && a->value == b->value && a->limit[0] == b->limit[0] &&
	       a->limit[1] == b->limit[1];
}

bool stream_slot_fd(const struct stream *s, unsigned int slot, struct fdref *fd)
{
	*fd = (struct fdref){ FD_OBJ, (uint8_t)(slot / 2), (uint8_t)(slot % 2) };
	return fd->obj < s->nr_objs && s->objs[fd->obj].kind != OBJ_FIFO &&
	       (fd->end == END_OUT || stream_has_ends(s->objs[fd->obj].kind));
}

bool stream_registers_iowq(const struct stream *s)
{
	for (unsigned int i = 0; i < s->nr_steps; i++)
		if (stream_step_on_iowq(s->steps[i].kind))
			return true;
	return false;
}

bool stream_registers_file(const struct stream *s, const struct fdref *fd)
{
	for (unsigned int i = 0; i < s->nr_steps; i++)
		if ((s->steps[i].kind == STEP_FILES && s->steps[i].value && stream_slot(fd) < s->steps[i].len) ||
		    (s->steps[i].kind == STEP_SLOT && !s->steps[i].value && same_fd(&s->steps[i].fd, fd)))
			return true;
	return false;
}

bool stream_may_hold_itself(const struct stream *s, unsigned int ring, const struct sreq *q)
{
	return stream_sends(q) && q->to < s->nr_rings &&
	       (s->rings[ring].flags & s->rings[q->to].flags & IORING_SETUP_DEFER_TASKRUN);
}

bool stream_closes_fd(const struct sreq *q)
{
	return q->op == SOP_CLOSE && q->fd.kind == FD_OBJ && !(q->sqe_flags & IOSQE_FIXED_FILE);
}

bool stream_same(const struct stream *a, const struct stream *b)
{
	if (a->version != b->version || a->nr_tasks != b->nr_tasks || a->nr_rings != b->nr_rings ||
	    a->nr_objs != b->nr_objs || a->nr_reqs != b->nr_reqs || a->nr_steps != b->nr_steps)
		return false;
	for (unsigned int i = 0; i < a->nr_rings; i++)
		if (!same_ring(&a->rings[i], &b->rings[i]))
			return false;
	for (unsigned int i = 0; i < a->nr_objs; i++)
		if (!same_obj(&a->objs[i], &b->objs[i]))
			return false;
	for (unsigned int i = 0; i < a->nr_reqs; i++)
		if (!same_req(&a->reqs[i], &b->reqs[i]))
			return false;
	for (unsigned int i = 0; i < a->nr_steps; i++)
		if (!same_step(&a->steps[i], &b->steps[i]))
			return false;
	return true;
}

unsigned int stream_step_of(const struct stream *s, unsigned int req)
{
	for (unsigned int i = 0; i < s->nr_steps; i++) {
		const struct step *t = &s->steps[i];

		if (t->kind == STEP_SUBMIT && req >= t->first_req && req < (unsigned int)t->first_req + t->nr_reqs)
			return i;
	}
	ENSURE_UNREACHABLE();
}

bool stream_opens(const struct stream *s)
{
	for (unsigned int i = 0; i < s->nr_objs; i++)
		if (s->objs[i].kind == OBJ_FIFO)
			return true;
	return false;
}

static bool is_linked(const struct sreq *r)
{
	return r->sqe_flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK);
}

unsigned int stream_chain_first(const struct stream *s, unsigned int req)
{
	unsigned int first = s->steps[stream_step_of(s, req)].first_req;

	while (req > first && is_linked(&s->reqs[req - 1]))
		req--;
	return req;
}

unsigned int stream_chain_last(const struct stream *s, unsigned int req)
{
	const struct step *t = &s->steps[stream_step_of(s, req)];

	while (req + 1 < (unsigned int)t->first_req + t->nr_reqs && is_linked(&s->reqs[req]))
		req++;
	return req;
}

static void name_req(char name[STREAM_NAME], unsigned int index)
{
	char *p = name;

	memset(name, 0, STREAM_NAME);
	ENSURE_OP(index, <, 27u * 26);
	if (index >= 26)
		*p++ = (char)('a' + index / 26 - 1);
	*p = (char)('a' + index % 26);
}

/* `p`, `p2`, `p3`, .. */
static void name_nth(char name[STREAM_NAME], char prefix, unsigned int index)
{
	size_t len = 1;

	ENSURE_OP(index, <, 99u);
	memset(name, 0, STREAM_NAME);
	name[0] = prefix;
	if (index == 0)
		return;
	index++;
	if (index >= 10)
		name[len++] = (char)('0' + index / 10);
	name[len] = (char)('0' + index % 10);
}

void stream_name_all(struct stream *s)
{
	static const char kinds[OBJ_KINDS] = { 'p', 'e', 'f', 'q' };
	unsigned int seen[OBJ_KINDS] = { 0 };

	for (unsigned int i = 1; i < s->nr_tasks; i++)
		name_nth(s->tasks[i].name, 't', i);
	for (unsigned int i = 0; i < s->nr_rings; i++)
		name_nth(s->rings[i].name, 'r', i);
	for (unsigned int i = 0; i < s->nr_objs; i++)
		name_nth(s->objs[i].name, kinds[s->objs[i].kind], seen[s->objs[i].kind]++);
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		name_req(s->reqs[i].name, i);
}
