/* What the files of the spec share. Private to oracle/state_*.c. */
#ifndef ORACLE_STATE_SPEC_H
#define ORACLE_STATE_SPEC_H

#include <errno.h>

#include "oracle/state.h"

static inline const struct sreq *sreq_of(const struct spec *sp, unsigned int m)
{
	return &sp->p->f->s->reqs[sp->p->member[m].req];
}

/* Can it end cancelled, as far as is known? */
static inline bool member_cancellable(const struct member *k)
{
	return k->end == END_CANCELLED || k->end == END_UNSEEN || k->pieces;
}

/* Does cancel c select t? */
static inline bool cancel_selected(const struct plan *p, unsigned int c, unsigned int t)
{
	return p->match[c][t / 64] >> t % 64 & 1;
}

/* Does the canceller get to search at all, as far as is known? */
static inline bool cancel_searches(const struct member *k)
{
	if (k->op != SOP_ASYNC_CANCEL && k->op != SOP_TIMEOUT_REMOVE)
		return false;
	return k->end == END_UNSEEN || (k->end == END_OWN && (k->res >= 0 || k->res == -ENOENT || k->res == -EALREADY));
}

/* It may find several, some of them in workers: what it does takes time, in which they move. */
static inline bool looks_around(const struct member *k)
{
	return k->nr_match > 1 && k->moving;
}

/* ---- things: state_thing.c ---- */

bool thing_closed(const struct spec *sp, unsigned int t, enum obj_end end);
bool thing_peer_closed(const struct spec *sp, unsigned int m);
/* Is the content of the member's thing told? All below ask it of such only. */
bool thing_known(const struct spec *sp, const struct state *s, unsigned int m);
/* Can what the member waits for be there? */
bool thing_ready(const struct spec *sp, const struct state *s, unsigned int m);
bool thing_takes(const struct thing *t, uint64_t n, uint64_t value); /* has it room for so much more? */
void thing_wake_polls(const struct plan *p, struct state *s, unsigned int t);
bool thing_move(const struct spec *sp, struct state *s, unsigned int m);
bool thing_quiet(const struct spec *sp, const struct state *s, unsigned int m);

/* ---- cancels: state_cancel.c ---- */

/* Member m, a canceller, searches now, in its task or in a worker; `after` is what becomes of it. */
void cancel_carry_out(struct spec *sp, const struct state *s, unsigned int m, uint16_t after, bool worker);
/* The same, where it may do so unseen. */
void cancel_hidden(struct spec *sp, const struct state *s, unsigned int m);
/* Linked timeout m fires. */
void cancel_expire(struct spec *sp, const struct state *s, unsigned int m);

#endif
