/* The parser: a step behind its first word, which has told its kind. */
#include "core/base/ensure.h"
#include "core/base/uapi.h"
#include "stream/parse_req.h"

static bool read_ring(struct parser *p, struct step *t)
{
	unsigned int col = lex_col(&p->x);
	struct span w;

	if (!lex_word(&p->x, &w)) {
		lex_error(&p->x, col, "expected the name of a ring");
		return false;
	}
	if (!parse_find_ring(p, &w, &t->ring))
		return false;
	t->task = p->s->rings[t->ring].task;
	return true;
}

static bool read_fd(struct parser *p, struct step *t, struct span *w)
{
	unsigned int col = lex_col(&p->x);

	if (lex_word(&p->x, w))
		return parse_fd(p, w, &t->fd);
	lex_error(&p->x, col, "expected a descriptor");
	return false;
}

/* How many, which has to be said. */
static bool read_count(struct parser *p, uint64_t max, const char *key, const char *of_what, uint32_t *out)
{
	unsigned int col = lex_col(&p->x);
	struct span w;
	uint64_t n = 0;

	if (!lex_word(&p->x, &w)) {
		lex_error(&p->x, col, "expected how many %s", of_what);
		return false;
	}
	if (!lex_number(&p->x, &w, max, key, &n))
		return false;
	*out = (uint32_t)n;
	return true;
}

static void step_task(struct parser *p, struct step *t, const struct args *a)
{
	if (HAVE(a, ARG_TASK))
		parse_find_task(p, &a->value[ARG_TASK], &t->task);
}

static void parse_submit(struct parser *p, struct step *t)
{
	struct args a;
	uint64_t n = 0;

	t->first_req = p->s->nr_reqs;
	p->submit = true;
	if (!read_ring(p, t) || !parse_args(p, &a, 1 << ARG_WAIT | 1 << ARG_TASK, NULL, NULL))
		return;
	parse_arg_number(p, &a, ARG_WAIT, STREAM_MAX_REQS, &n);
	t->wait = HAVE(&a, ARG_WAIT);
	t->wait_nr = (uint32_t)n;
	step_task(p, t, &a);
}

/* Nothing but the ring: reap, peek, unfiles, probe. */
static void parse_plain(struct parser *p, struct step *t)
{
	struct args a;

	if (read_ring(p, t) && parse_args(p, &a, 1 << ARG_TASK, NULL, NULL))
		step_task(p, t, &a);
}

static void parse_wait(struct parser *p, struct step *t)
{
	struct args a;

	if (read_ring(p, t) && read_count(p, STREAM_MAX_REQS, "wait", "CQEs to wait for", &t->wait_nr) &&
	    parse_args(p, &a, 1 << ARG_TASK, NULL, NULL))
		step_task(p, t, &a);
}

static void parse_max_workers(struct parser *p, struct step *t)
{
	uint64_t n[2] = { 0 };
	struct args a;

	if (!read_ring(p, t) || !parse_args(p, &a, 1 << ARG_BOUNDED | 1 << ARG_UNBOUNDED | 1 << ARG_TASK, NULL, NULL))
		return;
	parse_arg_number(p, &a, ARG_BOUNDED, UINT32_MAX, &n[0]);
	parse_arg_number(p, &a, ARG_UNBOUNDED, UINT32_MAX, &n[1]);
	t->limit[0] = (uint32_t)n[0];
	t->limit[1] = (uint32_t)n[1];
	step_task(p, t, &a);
}

static void parse_iowq_aff(struct parser *p, struct step *t)
{
	static const struct stream_word none[] = { { "none", 1 }, { NULL, 0 } };
	uint8_t anywhere = 0;
	unsigned int col;
	struct args a;

	if (!read_ring(p, t))
		return;
	col = lex_col(&p->x);
	if (!parse_args(p, &a, 1 << ARG_CPUS | 1 << ARG_TASK, none, &anywhere))
		return;
	if (anywhere == !!HAVE(&a, ARG_CPUS))
		lex_error(&p->x, col, "expected either cpus=MASK or none");
	parse_arg_number(p, &a, ARG_CPUS, UINT64_MAX, &t->value);
	if (anywhere)
		t->kind = STEP_IOWQ_UNAFF;
	step_task(p, t, &a);
}

static void parse_files(struct parser *p, struct step *t)
{
	static const struct stream_word open[] = { { "open", 1 }, { NULL, 0 } };
	uint8_t filled = 0;
	struct args a;

	if (!read_ring(p, t) || !read_count(p, STREAM_MAX_SLOTS, "slots", "slots", &t->len))
		return;
	if (parse_args(p, &a, 1 << ARG_TASK, open, &filled))
		step_task(p, t, &a);
	t->value = filled;
}

static void parse_slot(struct parser *p, struct step *t)
{
	static const struct stream_word empty[] = { { "empty", 1 }, { NULL, 0 } };
	uint8_t empties = 0;
	struct span w;
	struct args a;

	if (!read_ring(p, t) || !read_fd(p, t, &w))
		return;
	if (t->fd.kind == FD_BAD)
		lex_error(&p->x, w.col, "`none` cannot be registered");
	else if (parse_args(p, &a, 1 << ARG_TASK, empty, &empties))
		step_task(p, t, &a);
	t->value = empties;
}

static void parse_tell(struct parser *p, struct step *t)
{
	uint64_t res = 0;
	struct args a;

	if (!read_ring(p, t) || !parse_args(p, &a, 1 << ARG_RES | 1 << ARG_TASK, NULL, NULL))
		return;
	parse_arg_number(p, &a, ARG_RES, STREAM_MAX_LEN, &res);
	t->len = (uint32_t)res;
	step_task(p, t, &a);
}

static void parse_direct(struct parser *p, struct step *t)
{
	unsigned int col, kind;
	struct span w;
	struct args a;
	uint64_t len = 0;

	if (!read_fd(p, t, &w))
		return;
	kind = t->fd.kind == FD_OBJ ? p->s->objs[t->fd.obj].kind : OBJ_KINDS;
	col = lex_col(&p->x);
	if (!parse_args(p, &a, 1 << ARG_TASK | 1 << ARG_LEN | 1 << ARG_VALUE, NULL, NULL))
		return;
	if (kind == OBJ_EVENTFD)
		len = 8;
	else if (!HAVE(&a, ARG_LEN))
		lex_error(&p->x, col, "expected len=N");
	parse_arg_number(p, &a, ARG_LEN, STREAM_MAX_LEN, &len);
	t->len = (uint32_t)len;
	if (kind == OBJ_EVENTFD && t->kind == STEP_WRITE && !HAVE(&a, ARG_VALUE))
		lex_error(&p->x, col, "expected value=N, what to add to the eventfd");
	if (HAVE(&a, ARG_VALUE) && (kind != OBJ_EVENTFD || t->kind != STEP_WRITE))
		lex_error(&p->x, a.value[ARG_VALUE].col, "only what is written to an eventfd has a value");
	else
		parse_arg_number(p, &a, ARG_VALUE, UINT64_MAX, &t->value);
	step_task(p, t, &a);
}

/* Opens an end of a fifo, closes a descriptor or a ring. */
static void parse_close(struct parser *p, struct step *t)
{
	unsigned int col = lex_col(&p->x);
	struct span w;
	struct args a;

	if (!lex_word(&p->x, &w)) {
		lex_error(&p->x, col,
			  t->kind == STEP_OPEN ? "expected an end of a fifo" : "expected a descriptor or a ring");
		return;
	}
	for (unsigned int i = 0; t->kind != STEP_OPEN && i < p->s->nr_rings; i++) {
		if (span_is(&w, p->s->rings[i].name)) {
			t->kind = STEP_CLOSE_RING;
			t->ring = (uint8_t)i;
			t->task = p->s->rings[i].task;
		}
	}
	if (t->kind != STEP_CLOSE_RING && !parse_fd(p, &w, &t->fd))
		return;
	if (t->kind == STEP_CLOSE && t->fd.kind == FD_BAD)
		lex_error(&p->x, w.col, "`none` cannot be closed");
	else if (parse_args(p, &a, 1 << ARG_TASK, NULL, NULL))
		step_task(p, t, &a);
}

static void parse_exit(struct parser *p, struct step *t)
{
	unsigned int col = lex_col(&p->x);
	struct span w;
	struct args a;
	bool some = lex_word(&p->x, &w);

	if (some && span_is(&w, "process")) {
		t->kind = STEP_EXIT_PROCESS;
	} else if (!some || !span_is(&w, "thread")) {
		lex_error(&p->x, col, "expected `exit thread` or `exit process`");
		return;
	}
	if (parse_args(p, &a, 1 << ARG_TASK, NULL, NULL))
		step_task(p, t, &a);
}

/* By the kind that a step's first word tells. */
static void (*const parsers[STEP_KINDS])(struct parser *p, struct step *t) = {
	[STEP_SUBMIT] = parse_submit,
	[STEP_WAIT] = parse_wait,
	[STEP_REAP] = parse_plain,
	[STEP_PEEK] = parse_plain,
	[STEP_MAX_WORKERS] = parse_max_workers,
	[STEP_IOWQ_AFF] = parse_iowq_aff,
	[STEP_FILES] = parse_files,
	[STEP_SLOT] = parse_slot,
	[STEP_UNFILES] = parse_plain,
	[STEP_PROBE] = parse_plain,
	[STEP_TELL] = parse_tell,
	[STEP_WRITE] = parse_direct,
	[STEP_READ] = parse_direct,
	[STEP_OPEN] = parse_close,
	[STEP_CLOSE] = parse_close,
	[STEP_EXIT_THREAD] = parse_exit,
};

void parse_step_args(struct parser *p, struct step *t)
{
	ENSURE(parsers[t->kind] != NULL);
	parsers[t->kind](p, t);
}
