/* Sets of states: expanded by hidden steps, filtered by what was seen, each state kept once. */
#include <string.h>

#include "core/base/ensure.h"
#include "oracle/scratch.h"
#include "oracle/state.h"

enum {
	POOL_BYTES = 1 << 20, /* the budget of one group, whatever its states weigh */
	BUCKETS = 1 << 13,
	NO_STATE = UINT32_MAX,
};

struct sets {
	size_t stride;
	uint32_t nr, most; /* states in the pool; how many it may hold */
	uint32_t first; /* of the set being built */
	uint32_t from; /* the state whose successors are being made */
	uint32_t last; /* one of the states at the end */
	bool full;
	uint32_t generation;
	struct {
		uint32_t generation, state;
	} bucket[BUCKETS];
	_Alignas(16) unsigned char pool[POOL_BYTES];
};

static _Thread_local struct sets *memory; /* of the run under way, or the last */

static struct state *state_at(uint32_t i)
{
	return (struct state *)(memory->pool + (size_t)i * memory->stride);
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 29;
}

static uint32_t hash_of(const struct plan *p, const struct state *s)
{
	uint64_t h = 1, v;

	memcpy(&v, s->pos, sizeof(s->pos));
	h = mix(h, v & 0xffffffff);
	for (unsigned int t = 0; t < p->nr_things; t++)
		h = mix(h, s->thing[t]);
	for (unsigned int m = 0; m < p->nr; m++)
		h = mix(h, s->mask[m]);
	return (uint32_t)(h ^ h >> 32);
}

static bool same(const struct plan *p, const struct state *a, const struct state *b)
{
	return a->hash == b->hash && memcmp(a->pos, b->pos, sizeof(a->pos)) == 0 &&
	       memcmp(a->thing, b->thing, p->nr_things * sizeof(a->thing[0])) == 0 &&
	       memcmp(a->mask, b->mask, p->nr * sizeof(a->mask[0])) == 0;
}

/* Is it in the set already? Otherwise its bucket is taken for the state that comes next. */
static bool seen_before(const struct plan *p, const struct state *s)
{
	for (uint32_t i = s->hash;; i++) {
		typeof(memory->bucket[0]) *b = &memory->bucket[i % BUCKETS];

		if (b->generation != memory->generation) {
			b->generation = memory->generation;
			b->state = memory->nr;
			return false;
		}
		if (same(p, state_at(b->state), s))
			return true;
	}
}

static void keep(struct spec *sp, const struct state *made)
{
	struct state *s;

	if (memory->nr == memory->most) {
		memory->full = true;
		return;
	}
	s = state_at(memory->nr);
	memcpy(s, made, memory->stride);
	if (!spec_widen(sp, s))
		return;
	spec_check(sp->p, s);
	s->hash = hash_of(sp->p, s);
	s->parent = memory->from;
	if (seen_before(sp->p, s))
		return;
	memory->nr++;
}

static void new_set(void)
{
	memory->first = memory->nr;
	memory->generation++;
}

static bool may_post(const struct plan *p, const struct state *s, unsigned int ring, unsigned int interval)
{
	return s->pos[ring] < p->nr_posts[ring] && p->post[ring][s->pos[ring]].lo <= interval;
}

/* Everything that can happen before the next act. */
static void expand(struct spec *sp)
{
	const struct plan *p = sp->p;

	for (uint32_t i = memory->first; i < memory->nr && !memory->full; i++) {
		const struct state *s = state_at(i);

		memory->from = i;
		if (spec_free(sp, s))
			continue;
		for (unsigned int r = 0; r < STREAM_MAX_RINGS; r++)
			if (may_post(p, s, r, sp->interval))
				spec_post(sp, s, p->post[r][s->pos[r]].m);
		spec_hidden(sp, s);
	}
}

static bool overdue(const struct plan *p, const struct state *s, unsigned int interval)
{
	for (unsigned int r = 0; r < STREAM_MAX_RINGS; r++)
		if (s->pos[r] < p->nr_posts[r] && p->post[r][s->pos[r]].hi <= interval)
			return true;
	return false;
}

/* From each state that is not overdue: the act, or at the end nothing. False: none is left. */
static bool advance(struct spec *sp)
{
	uint32_t first = memory->first, last = memory->nr;
	bool any = false;

	new_set();
	for (uint32_t i = first; i < last && !memory->full; i++) {
		if (overdue(sp->p, state_at(i), sp->interval))
			continue;
		memory->from = i;
		if (sp->interval == sp->p->nr_acts) {
			memory->last = i;
			return true;
		}
		sp->interval++;
		spec_act(sp, state_at(i), &sp->p->act[sp->interval - 1]);
		sp->interval--;
		any |= memory->nr > memory->first;
	}
	return any;
}

static void start(const struct plan *p, unsigned int left)
{
	struct state *s = (struct state *)memory->pool;

	memory->stride = (offsetof(struct state, mask) + p->nr * sizeof(s->mask[0]) + 15) & ~(size_t)15;
	memory->most = (uint32_t)(POOL_BYTES / memory->stride);
	if (memory->most > BUCKETS / 2)
		memory->most = BUCKETS / 2;
	if (memory->most > left)
		memory->most = left;
	memory->full = false;
	memory->nr = 0;
	memory->from = NO_STATE;
	memset(s, 0, offsetof(struct state, mask));
	for (unsigned int t = 0; t < p->nr_things; t++) {
		const struct thing *k = &p->thing[t];

		s->thing[t] = !k->crisp ? VAGUE : k->kind == OBJ_EVENTFD ? p->f->s->objs[k->obj].init : 0;
	}
	for (unsigned int m = 0; m < p->nr; m++)
		s->mask[m] = ST_IDLE;
	s->parent = NO_STATE;
	new_set();
	memory->nr = 1;
}

enum set_end sets_run(const struct plan *p, unsigned int *left, unsigned int *where)
{
	struct spec sp = { .p = p, .emit = keep };
	bool any = true;

	if (p->too_long || *left == 0)
		return SET_BUDGET;
	memory = scratch(SCRATCH_SETS, sizeof(*memory));
	start(p, *left);
	for (sp.interval = 0; any && !memory->full && sp.interval <= p->nr_acts; sp.interval++) {
		*where = sp.interval;
		expand(&sp);
		any = advance(&sp);
	}
	*left -= memory->nr < *left ? memory->nr : *left;
	if (memory->full)
		return SET_BUDGET;
	return any ? SET_ALLOWED : SET_EMPTY;
}

void sets_path(const struct plan *p,
	       void (*say)(void *ctx, const struct plan *p, const struct state *before, const struct state *after),
	       void *ctx)
{
	uint32_t next = NO_STATE, i = memory->last;

	/* Turned round on the way back, so that it can be walked from the start. */
	while (i != NO_STATE) {
		uint32_t parent = state_at(i)->parent;

		state_at(i)->parent = next;
		next = i;
		i = parent;
	}
	for (i = next; state_at(i)->parent != NO_STATE; i = state_at(i)->parent)
		say(ctx, p, state_at(i), state_at(state_at(i)->parent));
}
