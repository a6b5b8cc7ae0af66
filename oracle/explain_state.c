/* Ways through the states, told step by step. */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "oracle/explain.h"
#include "oracle/state.h"

struct teller {
	void (*say)(void *ctx, const char *line);
	void *ctx;
	const struct facts *f;
	unsigned int only; /* tells only steps that concern this request, or REC_NO_REQ */
	char text[256];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void put(struct teller *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(t->text + t->len, sizeof(t->text) - t->len, fmt, ap);
	va_end(ap);
	t->len = strlen(t->text);
}

static void end_line(struct teller *t)
{
	t->say(t->ctx, t->text);
	t->len = 0;
	t->text[0] = '\0';
}

static void put_stages(struct teller *t, uint16_t mask)
{
	static const char *const words[16] = { "not submitted",
					       "held by its link",
					       "deferred by a drain",
					       "to be issued",
					       "queued",
					       "running",
					       "running, signalled",
					       "armed",
					       "fired",
					       "done",
					       "cancelled",
					       "done",
					       "done",
					       "posted",
					       "posted",
					       "anything" };
	uint16_t told = 0;

	/* The stages that differ only in who still holds the request are one to a reader. */
	if (mask & (ST_DONEI | ST_DONEW))
		mask |= ST_DONE;
	mask &= (uint16_t) ~(ST_DONEI | ST_DONEW | (mask & ST_POST ? ST_POSTW : 0));
	for (unsigned int i = 0; i < 16; i++)
		if (mask >> i & 1) {
			put(t, "%s%s", told ? " or " : "", words[i]);
			told = mask;
		}
}

static const char *name(const struct plan *p, unsigned int m)
{
	return p->f->s->reqs[p->member[m].req].name;
}

static void put_act(struct teller *t, const struct plan *p, const struct act *a)
{
	static const char *const words[] = {
		[ACT_CHAIN] = "submit",
		[ACT_RETURN] = "the submit returns",
		[ACT_WRITE] = "direct write",
		[ACT_READ] = "direct read",
		[ACT_CLOSE] = "close",
		[ACT_EXIT] = "exit",
		[ACT_CLOSE_RING] = "close of a ring",
		[ACT_REST] = "nothing runs any more",
		[ACT_STAGE] = "tracepoint",
		[ACT_EPILOGUE] = "the last step is over",
	};

	put(t, "%s", words[a->kind]);
	if (a->kind == ACT_CHAIN || a->kind == ACT_STAGE)
		put(t, " of %s", name(p, a->m));
	if (a->kind == ACT_WRITE || a->kind == ACT_READ || a->kind == ACT_CLOSE)
		put(t, " of %s", p->f->s->objs[p->thing[a->m].obj].name);
}

static void put_step(struct teller *t, const struct plan *p, const struct state *s)
{
	unsigned int m = s->how & 0xff;

	switch ((enum state_how)(s->how >> 8)) {
	case BY_START:
		break;
	case BY_ACT:
		put_act(t, p, &p->act[s->said]);
		break;
	case BY_POST:
		put(t, "%s posts %s", name(p, m), res_name(p->member[m].res));
		break;
	case BY_CANCEL:
		if (p->member[m].many)
			put(t, "%s looks for all it selects", name(p, m));
		else
			put(t, "%s searches, and says %s", name(p, m), res_name(s->said));
		break;
	case BY_MOVE:
		put(t, "%s does its work", name(p, m));
		break;
	case BY_FIRE:
		put(t, "%s fires, and says %s", name(p, m), res_name(s->said));
		break;
	}
}

static bool changed(const struct plan *p, const struct state *a, const struct state *b, unsigned int m)
{
	/* Its own posting, and what it says of itself, the step tells already. */
	if ((enum state_how)(b->how >> 8) != BY_ACT && (b->how & 0xff) == m)
		return false;
	return a->mask[m] != b->mask[m];
}

static void put_changes(struct teller *t, const struct plan *p, const struct state *a, const struct state *b)
{
	const char *comma = ": ";

	for (unsigned int m = 0; m < p->nr; m++) {
		if (!changed(p, a, b, m))
			continue;
		put(t, "%s%s ", comma, name(p, m));
		put_stages(t, b->mask[m]);
		comma = ", ";
	}
	for (unsigned int i = 0; i < p->nr_things; i++)
		if (a->thing[i] != b->thing[i] && b->thing[i] != VAGUE) {
			put(t, "%s%s has %" PRIu64, comma, p->f->s->objs[p->thing[i].obj].name, b->thing[i]);
			comma = ", ";
		}
}

static bool tells(const struct teller *t, const struct plan *p, const struct state *a, const struct state *b)
{
	unsigned int m;

	if (t->only == REC_NO_REQ)
		return true;
	m = p->member_of[t->only];
	if ((enum state_how)(b->how >> 8) != BY_ACT && (b->how & 0xff) == m)
		return true;
	return changed(p, a, b, m);
}

static void tell_step(void *ctx, const struct plan *p, const struct state *a, const struct state *b)
{
	struct teller *t = ctx;

	if (!tells(t, p, a, b))
		return;
	put(t, t->only == REC_NO_REQ ? "  " : "      ");
	put_step(t, p, b);
	put_changes(t, p, a, b);
	end_line(t);
}

static void tell_other(void *ctx, int32_t res, struct plan *p)
{
	struct teller *t = ctx;

	put(t, "    %s, by this way:", res_name(res));
	end_line(t);
	sets_path(p, tell_step, t);
}

static void tell_group(struct teller *t, const struct plan *p)
{
	put(t, "%u coupled requests:", p->nr);
	for (unsigned int m = 0; m < p->nr; m++)
		put(t, "%s %s", m ? "," : "", name(p, m));
	end_line(t);
}

static void tell_end(struct teller *t, unsigned int group)
{
	uint32_t ev = ask_first_event(t->f, group);
	const struct rec_event *e = &t->f->rec->ev[ev];
	unsigned int where;
	struct plan *p;

	if (ask_until(t->f, group, ev, &p, &where) == SET_ALLOWED)
		sets_path(p, tell_step, t);
	put(t, "  event %u: no state is left", ev);
	if (e->kind != REC_CQE || e->req == REC_NO_REQ) {
		end_line(t);
		return;
	}
	put(t, " that allows %s of %s. Allowed would have been", res_name(e->res), t->f->s->reqs[e->req].name);
	end_line(t);
	t->only = e->req;
	ask_others(t->f, group, ev, e->req, tell_other, t);
	t->only = REC_NO_REQ;
	put(t, "    or nothing of %s yet", t->f->s->reqs[e->req].name);
	end_line(t);
}

int explain_states(const struct stream *s, const struct record *rec, enum profile_id profile,
		   void (*say)(void *ctx, const char *line), void *ctx, const char **why, unsigned int *event)
{
	static _Thread_local struct facts f; /* large */
	struct teller t = { .say = say, .ctx = ctx, .f = &f, .only = REC_NO_REQ };
	int ret = facts_gather(&f, s, rec, profile, why, event);
	unsigned int nr = !ret && f.complete && s->nr_reqs ? ask_groups(&f) : 0;

	for (unsigned int g = 0; g < nr; g++) {
		struct plan *p;
		enum set_end end = ask_group(&f, g, &p);

		if (!p->coupled)
			continue;
		tell_group(&t, p);
		if (end == SET_ALLOWED)
			sets_path(p, tell_step, &t);
		else if (end == SET_EMPTY)
			tell_end(&t, g);
		else
			say(ctx, "  more states than the budget");
	}
	return ret;
}
