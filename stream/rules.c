#include "stream/rules.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>

#include "core/base/uapi.h"
#include "stream/optable.h"

/* What the kernel allows; the numbers of its own headers are not exported. */
enum { MAX_SQ = 32768, MAX_CQ = 2 * MAX_SQ };

struct walk {
	const struct stream *s;
	stream_breach_fn *breach;
	void *ctx;
	/* what is gone by the current step */
	bool task_gone[STREAM_MAX_TASKS], ring_gone[STREAM_MAX_RINGS], end_gone[STREAM_MAX_OBJS][2];
	bool all_gone;
	uint8_t closed_by[STREAM_MAX_OBJS][2]; /* so many requests */
	/* how far files may grow */
	uint64_t file_end[STREAM_MAX_OBJS], file_append[STREAM_MAX_OBJS];
	bool holds_itself; /* some request may hold its own ring for ever when its task exits */
};

static void say(struct walk *w, enum stream_item item, unsigned int index, const char *why)
{
	w->breach(w->ctx, item, index, why);
}

#define RULE(w, cond, item, index, why)                                                                                \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			say(w, item, index, why);                                                                      \
	} while (0)

static uint32_t roundup_pow2(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

bool stream_ring_size(const struct ring *r, uint32_t *sq, uint32_t *cq)
{
	uint32_t entries = r->entries, cqe = r->cq_entries;
	bool clamp = r->flags & IORING_SETUP_CLAMP;

	if (entries == 0 || (entries > MAX_SQ && !clamp) || (cqe > MAX_CQ && !clamp))
		return false;
	if ((r->flags & IORING_SETUP_DEFER_TASKRUN) && !(r->flags & IORING_SETUP_SINGLE_ISSUER))
		return false;
	if ((r->flags & IORING_SETUP_TASKRUN_FLAG) &&
	    !(r->flags & (IORING_SETUP_COOP_TASKRUN | IORING_SETUP_DEFER_TASKRUN)))
		return false;
	*sq = roundup_pow2(entries > MAX_SQ ? MAX_SQ : entries);
	*cq = cqe ? roundup_pow2(cqe > MAX_CQ ? MAX_CQ : cqe) : 2 * *sq;
	return *cq >= *sq;
}

bool stream_name_ok(const char name[STREAM_NAME])
{
	if (name[0] < 'a' || name[0] > 'z' || strcmp(name, "none") == 0)
		return false;
	for (unsigned int i = 1; i < STREAM_NAME; i++) {
		char c = name[i];

		if (c == '\0')
			return true;
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
			return false;
	}
	return false;
}

static bool comment_ok(const struct stream *s, uint32_t at)
{
	return at == 0 || (at <= s->pool_len && memchr(s->pool + at - 1, '\0', s->pool_len - (at - 1)));
}

#define COMMENTS_OK(s, item) (comment_ok(s, (item)->comment) && comment_ok(s, (item)->tail))

static void check_names(struct walk *w)
{
	const struct stream *s = w->s;

	for (unsigned int i = 1; i < s->nr_tasks; i++)
		for (unsigned int k = 0; k < i; k++)
			RULE(w, strcmp(s->tasks[i].name, s->tasks[k].name), ITEM_TASK, i, "two tasks have this name");
	for (unsigned int i = 0; i < s->nr_objs; i++) {
		for (unsigned int k = 0; k < i; k++)
			RULE(w, strcmp(s->objs[i].name, s->objs[k].name), ITEM_OBJ, i, "two objects have this name");
		for (unsigned int k = 0; k < s->nr_rings; k++)
			RULE(w, strcmp(s->objs[i].name, s->rings[k].name), ITEM_OBJ, i,
			     "a ring and an object have this name");
	}
	for (unsigned int i = 1; i < s->nr_rings; i++)
		for (unsigned int k = 0; k < i; k++)
			RULE(w, strcmp(s->rings[i].name, s->rings[k].name), ITEM_RING, i, "two rings have this name");
	for (unsigned int i = 1; i < s->nr_reqs; i++)
		for (unsigned int k = 0; k < i; k++)
			RULE(w, strcmp(s->reqs[i].name, s->reqs[k].name), ITEM_REQ, i, "two requests have this name");
}

static void check_obj(struct walk *w, unsigned int i)
{
	const struct obj *o = &w->s->objs[i];
	static const uint8_t flags[OBJ_KINDS] = {
		[OBJ_PIPE] = OBJ_NONBLOCK,
		[OBJ_EVENTFD] = OBJ_NONBLOCK | OBJ_SEMAPHORE,
		[OBJ_FILE] = 0,
		[OBJ_FIFO] = 0,
	};

	RULE(w, stream_name_ok(o->name), ITEM_OBJ, i, "the object has no proper name");
	RULE(w, COMMENTS_OK(w->s, o), ITEM_OBJ, i, "its comment lies outside the pool");
	if (o->kind >= OBJ_KINDS) {
		say(w, ITEM_OBJ, i, "there is no such kind of object");
		return;
	}
	RULE(w, !(o->flags & ~flags[o->kind]), ITEM_OBJ, i, "objects of this kind do not have this flag");
	if (o->kind == OBJ_EVENTFD)
		RULE(w, o->init < UINT64_MAX, ITEM_OBJ, i, "an eventfd counts to 0xfffffffffffffffe at most");
	else
		RULE(w, o->init <= STREAM_MAX_LEN, ITEM_OBJ, i, "an object holds 1048576 bytes at most");
	RULE(w, o->kind != OBJ_FIFO || o->init == 0, ITEM_OBJ, i, "a fifo holds nothing");
	w->file_end[i] = o->init;
	w->end_gone[i][END_OUT] = w->end_gone[i][END_IN] = o->kind == OBJ_FIFO;
}

static void check_decls(struct walk *w)
{
	const struct stream *s = w->s;

	RULE(w, strcmp(s->tasks[0].name, "main") == 0, ITEM_TASK, 0, "the first task is called main");
	for (unsigned int i = 0; i < s->nr_tasks; i++) {
		RULE(w, stream_name_ok(s->tasks[i].name), ITEM_TASK, i, "the task has no proper name");
		RULE(w, COMMENTS_OK(s, &s->tasks[i]), ITEM_TASK, i, "its comment lies outside the pool");
	}
	for (unsigned int i = 0; i < s->nr_rings; i++) {
		RULE(w, stream_name_ok(s->rings[i].name), ITEM_RING, i, "the ring has no proper name");
		RULE(w, s->rings[i].task < s->nr_tasks, ITEM_RING, i, "its task does not exist");
		RULE(w, !(s->rings[i].flags & ~stream_word_bits(stream_ring_flags)), ITEM_RING, i,
		     "the language has no word for one of its flags");
		RULE(w, COMMENTS_OK(s, &s->rings[i]), ITEM_RING, i, "its comment lies outside the pool");
	}
	for (unsigned int i = 0; i < s->nr_objs; i++)
		check_obj(w, i);
}

/* The kind of object a descriptor names, OBJ_KINDS for `none`; false when it names nothing there is. */
static bool fd_kind_of(const struct stream *s, const struct fdref *fd, unsigned int *kind)
{
	*kind = OBJ_KINDS;
	if (fd->kind == FD_BAD)
		return fd->obj == 0 && fd->end == 0;
	if (fd->kind != FD_OBJ || fd->obj >= s->nr_objs || fd->end > END_IN)
		return false;
	*kind = s->objs[fd->obj].kind;
	return *kind < OBJ_KINDS && (stream_has_ends(*kind) || fd->end == 0);
}

static void check_expect(struct walk *w, const struct expect *e, bool call, enum stream_item item, unsigned int index)
{
	if (e->nr > STREAM_MAX_ALTS) {
		say(w, item, index, "an expectation has at most 6 alternatives");
		return;
	}
	for (unsigned int i = 0; i < e->nr; i++) {
		RULE(w, e->alt[i].kind <= ALT_NOCQE, item, index, "there is no such kind of alternative");
		RULE(w, e->alt[i].lo <= e->alt[i].hi, item, index, "a range ends before it begins");
		RULE(w, !call || e->alt[i].kind != ALT_NOCQE, item, index,
		     "a call always returns: it cannot be `none`");
	}
}

static bool targets_request(const struct sreq *r)
{
	return r->op == SOP_TIMEOUT_REMOVE || (r->op == SOP_ASYNC_CANCEL && stream_cancel_by_target(r->op_flags));
}

static bool flags_have_words(const struct sreq *r)
{
	if (r->op == SOP_POLL_ADD)
		return !(r->op_flags & ~stream_word_bits(stream_poll_events));
	if (r->op == SOP_ASYNC_CANCEL)
		return !(r->op_flags & ~(stream_ops[r->op].flag_bits | IORING_ASYNC_CANCEL_FD | AU_ASYNC_CANCEL_OP));
	return !(r->op_flags & ~stream_ops[r->op].flag_bits);
}

/* Fields that the operation does not take have their default. */
static bool fields_at_rest(const struct sreq *r, unsigned int kind)
{
	uint32_t takes = stream_op_takes(r->op, kind);
	bool by_fd = r->op != SOP_ASYNC_CANCEL || (r->op_flags & IORING_ASYNC_CANCEL_FD);
	bool by_op = r->op == SOP_ASYNC_CANCEL && (r->op_flags & AU_ASYNC_CANCEL_OP);

	return ((takes & FIELD_FD && by_fd) || kind == OBJ_KINDS) && (takes & FIELD_LEN || r->len == 0) &&
	       (takes & FIELD_OFF || r->off == 0) && (takes & FIELD_VALUE || r->value == 0) &&
	       (takes & FIELD_IOVS ? r->iovs > 0 : r->iovs == !!(stream_ops[r->op].takes & FIELD_IOVS)) &&
	       (takes & FIELD_TS || r->ts == 0) && (takes & (FIELD_COUNT | FIELD_RES) || r->count == 0) &&
	       (targets_request(r) || r->target == STREAM_NONE) && (by_op || r->cancel_op == 0);
}

static void check_move(struct walk *w, unsigned int i, unsigned int to)
{
	const struct sreq *r = &w->s->reqs[i];
	unsigned int from;

	if (!fd_kind_of(w->s, &r->in, &from)) {
		say(w, ITEM_REQ, i, "the descriptor it reads does not exist");
		return;
	}
	if (!stream_op_is(r->op, OP_MOVES)) {
		RULE(w, r->in.kind == FD_BAD && r->in_off == 0, ITEM_REQ, i,
		     "a field is set that the operation does not take");
		return;
	}
	RULE(w, to == OBJ_PIPE || to == OBJ_KINDS, ITEM_REQ, i, "bytes are moved into pipes only");
	RULE(w, from == OBJ_PIPE || from == OBJ_KINDS || (from == OBJ_FILE && r->op == SOP_SPLICE), ITEM_REQ, i,
	     r->op == SOP_TEE ? "a tee is of a pipe" : "bytes are moved from pipes and files only");
	RULE(w, from == OBJ_FILE || r->in_off == 0, ITEM_REQ, i, "only a file has an offset");
	RULE(w, r->in_off >= -1 && r->in_off <= STREAM_MAX_LEN, ITEM_REQ, i, "an offset is -1 to 1048576");
}

static void grow_file(struct walk *w, const struct sreq *r, unsigned int i)
{
	unsigned int f = r->fd.obj;

	if (r->op == SOP_FTRUNCATE && r->len > w->file_end[f])
		w->file_end[f] = r->len;
	else if (r->op == SOP_FTRUNCATE)
		return;
	else if (r->off < 0 || (r->op_flags & RWF_APPEND))
		w->file_append[f] += r->len;
	else if ((uint64_t)r->off + r->len > w->file_end[f])
		w->file_end[f] = (uint64_t)r->off + r->len;
	RULE(w, w->file_end[f] + w->file_append[f] <= STREAM_MAX_LEN, ITEM_REQ, i,
	     "the file could grow past 1048576 bytes");
}

static void check_req(struct walk *w, unsigned int i)
{
	const struct stream *s = w->s;
	const struct sreq *r = &s->reqs[i];
	unsigned int kind;

	RULE(w, stream_name_ok(r->name), ITEM_REQ, i, "the request has no proper name");
	RULE(w, COMMENTS_OK(s, r), ITEM_REQ, i, "its comment lies outside the pool");
	check_expect(w, &r->expect, false, ITEM_REQ, i);
	if (r->op >= SOP_NR) {
		say(w, ITEM_REQ, i, "there is no such operation");
		return;
	}
	if (!fd_kind_of(s, &r->fd, &kind)) {
		say(w, ITEM_REQ, i, "its descriptor does not exist");
		return;
	}
	RULE(w, !(r->sqe_flags & ~stream_word_bits(stream_sqe_flags)), ITEM_REQ, i,
	     "the language has no word for one of its SQE flags");
	RULE(w, !(r->sqe_flags & IOSQE_CQE_SKIP_SUCCESS) || !stream_opens(s), ITEM_REQ, i,
	     "in a stream with a fifo nothing ends in silence: who goes on behind it could open the fifo when all is over");
	RULE(w, !stream_op_is(r->op, OP_READS) || !(r->sqe_flags & IOSQE_BUFFER_SELECT), ITEM_REQ, i,
	     "there are no buffers a read could select");
	RULE(w, flags_have_words(r), ITEM_REQ, i, "the language has no word for one of its flags");
	RULE(w, r->op != SOP_POLL_ADD || r->op_flags, ITEM_REQ, i, "a poll waits for at least one event");
	RULE(w, fields_at_rest(r, kind), ITEM_REQ, i, "a field is set that the operation does not take");
	RULE(w, r->target < s->nr_reqs || r->target == STREAM_NONE, ITEM_REQ, i, "its target does not exist");
	RULE(w, r->cancel_op < SOP_NR, ITEM_REQ, i, "the operation it is to cancel does not exist");
	RULE(w, stream_sends(r) ? r->to < s->nr_rings || r->to == STREAM_NONE : r->to == 0, ITEM_REQ, i,
	     "the ring it sends to does not exist");
	RULE(w, r->op != SOP_MSG_RING || r->count <= STREAM_MAX_LEN, ITEM_REQ, i,
	     "a CQE that is sent says 1048576 at most");
	RULE(w, r->ts <= STREAM_NEVER_NS, ITEM_REQ, i, "a time is at most 100 hours, which is `never`");
	RULE(w, r->len <= STREAM_MAX_LEN, ITEM_REQ, i, "a transfer has at most 1048576 bytes");
	RULE(w, r->off >= -1 && r->off <= STREAM_MAX_LEN, ITEM_REQ, i, "an offset is -1 to 1048576");
	RULE(w, kind == OBJ_KINDS || (kind == OBJ_FIFO) == (r->op == SOP_OPENAT), ITEM_REQ, i,
	     "a fifo, and nothing else, is opened");
	check_move(w, i, kind);
	RULE(w, r->iovs <= STREAM_MAX_IOVS, ITEM_REQ, i, "a transfer has at most 8 pieces");
	RULE(w, !stream_op_is(r->op, OP_FILES) || kind == OBJ_FILE || kind == OBJ_KINDS, ITEM_REQ, i,
	     "only files are allocated, truncated, and synced in part");
	RULE(w, !stream_op_is(r->op, OP_FILES) || r->off >= 0, ITEM_REQ, i, "it has an offset of its own");
	RULE(w, !(r->sqe_flags & IOSQE_FIXED_FILE) || stream_may_be_fixed(r), ITEM_REQ, i,
	     "it has no descriptor that could have a slot");
	if (stream_closes_fd(r)) {
		RULE(w, !w->closed_by[r->fd.obj][r->fd.end]++, ITEM_REQ, i, "the descriptor is closed twice");
		RULE(w, !stream_opens(s), ITEM_REQ, i,
		     "a stream with a fifo closes nothing else: what is opened could get the same number");
	}
	if (stream_op_is(r->op, OP_WRITES | OP_SIZES) && kind == OBJ_FILE && r->len <= STREAM_MAX_LEN &&
	    r->off <= STREAM_MAX_LEN)
		grow_file(w, r, i);
}

static void check_direct(struct walk *w, unsigned int i)
{
	const struct step *t = &w->s->steps[i];
	unsigned int kind;

	if (!fd_kind_of(w->s, &t->fd, &kind) || kind == OBJ_KINDS) {
		say(w, ITEM_STEP, i, "its descriptor does not exist");
		return;
	}
	if (t->kind == STEP_OPEN) {
		RULE(w, kind == OBJ_FIFO, ITEM_STEP, i, "only a fifo is opened");
		RULE(w, w->end_gone[t->fd.obj][t->fd.end], ITEM_STEP, i, "it is open by then");
		w->end_gone[t->fd.obj][t->fd.end] = false;
		return;
	}
	RULE(w, !w->end_gone[t->fd.obj][t->fd.end], ITEM_STEP, i, "the descriptor is closed by then");
	if (t->kind == STEP_CLOSE) {
		RULE(w, kind == OBJ_FIFO || !stream_opens(w->s), ITEM_STEP, i,
		     "a stream with a fifo closes nothing else: what is opened could get the same number");
		RULE(w, kind == OBJ_FIFO || !w->closed_by[t->fd.obj][t->fd.end], ITEM_STEP, i,
		     "a request closes the descriptor");
		w->end_gone[t->fd.obj][t->fd.end] = true;
		return;
	}
	RULE(w, kind == OBJ_PIPE || kind == OBJ_EVENTFD, ITEM_STEP, i,
	     "only pipes and eventfds are read and written directly");
	RULE(w, kind != OBJ_PIPE || (t->fd.end == END_IN) == (t->kind == STEP_WRITE), ITEM_STEP, i,
	     "a pipe is written at its end `in` and read at its end `out`");
	RULE(w, t->len <= STREAM_MAX_LEN, ITEM_STEP, i, "a transfer has at most 1048576 bytes");
	RULE(w, kind != OBJ_EVENTFD || t->len == 8, ITEM_STEP, i, "an eventfd is read and written 8 bytes at a time");
	RULE(w, t->value == 0 || (kind == OBJ_EVENTFD && t->kind == STEP_WRITE), ITEM_STEP, i,
	     "only what is written to an eventfd has a value");
}

static void check_slot(struct walk *w, unsigned int i)
{
	const struct step *t = &w->s->steps[i];
	unsigned int kind;

	RULE(w, fd_kind_of(w->s, &t->fd, &kind) && kind < OBJ_FIFO, ITEM_STEP, i,
	     "only pipes, eventfds and files are registered");
}

static void check_ring_step(struct walk *w, unsigned int i)
{
	const struct step *t = &w->s->steps[i];
	uint32_t sq, cq;

	if (t->ring >= w->s->nr_rings) {
		say(w, ITEM_STEP, i, "its ring does not exist");
		return;
	}
	RULE(w, !w->ring_gone[t->ring], ITEM_STEP, i, "the ring is closed by then");
	RULE(w, t->wait_nr <= STREAM_MAX_REQS, ITEM_STEP, i, "no stream has more than 128 CQEs to wait for");
	if (t->kind == STEP_SUBMIT && stream_ring_size(&w->s->rings[t->ring], &sq, &cq))
		RULE(w, t->nr_reqs <= sq, ITEM_STEP, i, "it has more requests than the ring has SQ entries");
	if (t->kind == STEP_SLOT)
		check_slot(w, i);
	RULE(w, t->kind != STEP_TELL || t->len <= STREAM_MAX_LEN, ITEM_STEP, i,
	     "a CQE that is sent says 1048576 at most");
	if (t->kind == STEP_FILES)
		RULE(w, t->len <= STREAM_MAX_SLOTS, ITEM_STEP, i, "a table has at most 64 slots");
	if (t->kind == STEP_CLOSE_RING)
		w->ring_gone[t->ring] = true;
}

static bool step_at_rest(const struct step *t)
{
	bool submit = t->kind == STEP_SUBMIT;
	bool transfer = t->kind == STEP_READ || t->kind == STEP_WRITE;

	return (stream_step_on_ring(t->kind) || t->ring == 0) &&
	       (stream_step_has_fd(t->kind) || t->fd.kind == FD_BAD) &&
	       (submit || (t->first_req == 0 && t->nr_reqs == 0 && !t->wait)) &&
	       (t->kind == STEP_WAIT || t->wait || t->wait_nr == 0) &&
	       (transfer || t->kind == STEP_FILES || t->kind == STEP_TELL || t->len == 0) &&
	       (transfer || t->kind == STEP_IOWQ_AFF || t->value == 0 ||
		(t->value == 1 && (t->kind == STEP_FILES || t->kind == STEP_SLOT))) &&
	       (t->kind == STEP_MAX_WORKERS || (t->limit[0] == 0 && t->limit[1] == 0));
}

static bool holds_itself(const struct stream *s)
{
	for (unsigned int i = 0; i < s->nr_steps; i++)
		for (unsigned int r = 0; s->steps[i].ring < s->nr_rings && r < s->steps[i].nr_reqs; r++)
			if (stream_may_hold_itself(s, s->steps[i].ring, &s->reqs[s->steps[i].first_req + r]))
				return true;
	return false;
}

static void check_step(struct walk *w, unsigned int i)
{
	const struct step *t = &w->s->steps[i];

	RULE(w, COMMENTS_OK(w->s, t), ITEM_STEP, i, "its comment lies outside the pool");
	check_expect(w, &t->expect, true, ITEM_STEP, i);
	if (t->kind >= STEP_KINDS) {
		say(w, ITEM_STEP, i, "there is no such kind of step");
		return;
	}
	RULE(w, t->kind < STEP_CLOSE_RING || !stream_opens(w->s), ITEM_STEP, i,
	     "in a stream with a fifo nothing exits, and no ring is closed: a worker could wait for ever, and the exit for it");
	RULE(w, t->kind < STEP_EXIT_THREAD || !w->holds_itself, ITEM_STEP, i,
	     "where a ring with defer_taskrun sends to one, nothing exits: the ring could be there for ever");
	RULE(w, step_at_rest(t), ITEM_STEP, i, "a field is set that the step does not take");
	if (w->all_gone)
		say(w, ITEM_STEP, i, "nothing can follow `exit process`");
	else if (t->task >= w->s->nr_tasks)
		say(w, ITEM_STEP, i, "its task does not exist");
	else
		RULE(w, !w->task_gone[t->task], ITEM_STEP, i, "the task has exited by then");
	if (stream_step_on_ring(t->kind))
		check_ring_step(w, i);
	else if (stream_step_has_fd(t->kind))
		check_direct(w, i);
	else if (t->kind == STEP_EXIT_PROCESS)
		w->all_gone = true;
	else if (t->task < w->s->nr_tasks)
		w->task_gone[t->task] = true;
}

static void check_schedule(struct walk *w)
{
	const struct schedule *c = &w->s->schedule;

	RULE(w, c->kind == 0 || stream_word_of(stream_schedules, c->kind), ITEM_SCHEDULE, 0,
	     "there is no such kind of schedule");
	RULE(w, c->nr_decisions <= STREAM_MAX_DECISIONS, ITEM_SCHEDULE, 0, "a schedule has at most 16384 decisions");
	RULE(w, c->kind == 2 || c->nr_decisions == 0, ITEM_SCHEDULE, 0, "only a replay has decisions");
	RULE(w, c->kind == 1 || c->seed == 0, ITEM_SCHEDULE, 0, "only a walk has a seed");
	RULE(w, COMMENTS_OK(w->s, c), ITEM_SCHEDULE, 0, "its comment lies outside the pool");
}

void stream_rules(const struct stream *s, stream_breach_fn *breach, void *ctx)
{
	struct walk w = { .s = s, .breach = breach, .ctx = ctx };
	unsigned int next_req = 0;

	if (s->version != STREAM_VERSION || s->nr_tasks == 0 || s->nr_tasks > STREAM_MAX_TASKS ||
	    s->nr_rings > STREAM_MAX_RINGS || s->nr_objs > STREAM_MAX_OBJS || s->nr_reqs > STREAM_MAX_REQS ||
	    s->nr_steps > STREAM_MAX_STEPS || s->pool_len > STREAM_POOL) {
		say(&w, ITEM_STREAM, 0, "its version or one of its counts is out of bounds");
		return;
	}
	if (!comment_ok(s, s->comment) || !comment_ok(s, s->end_comment))
		say(&w, ITEM_STREAM, 0, "a comment lies outside the pool");
	w.holds_itself = holds_itself(s);
	check_decls(&w);
	check_names(&w);
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		check_req(&w, i);
	for (unsigned int i = 0; i < s->nr_steps; i++) {
		check_step(&w, i);
		if (s->steps[i].kind == STEP_SUBMIT) {
			RULE(&w, s->steps[i].first_req == next_req, ITEM_STEP, i, "its requests are not the next ones");
			next_req += s->steps[i].nr_reqs;
		}
	}
	RULE(&w, next_req == s->nr_reqs, ITEM_STREAM, 0, "a request belongs to no step");
	check_schedule(&w);
}

static void keep_first(void *ctx, enum stream_item item, unsigned int index, const char *why)
{
	const char **first = ctx;

	(void)item;
	(void)index;
	if (!*first)
		*first = why;
}

int stream_check(const struct stream *s, const char **why)
{
	const char *first = NULL;

	stream_rules(s, keep_first, &first);
	if (why)
		*why = first;
	return first ? -EINVAL : 0;
}
