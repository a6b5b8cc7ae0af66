/* Registered files: tables, and what changes in them; other steps that register something. */
#include "core/base/uapi.h"
#include "stream/generate_req.h"
#include "stream/optable.h"

/* Any descriptor; false: there is none that can be registered. */
static bool pick_end(struct gen *g, struct fdref *fd)
{
	unsigned int at = prng_below(&g->p, g->s->nr_objs ? g->s->nr_objs : 1);
	bool in = prng_chance(&g->p, 1, 2);

	for (unsigned int i = 0; i < g->s->nr_objs; i++) {
		unsigned int obj = (at + i) % g->s->nr_objs;

		if (g->s->objs[obj].kind == OBJ_FIFO)
			continue;
		*fd = (struct fdref){ .kind = FD_OBJ, .obj = (uint8_t)obj };
		if (stream_has_ends(g->s->objs[obj].kind) && in)
			fd->end = END_IN;
		return true;
	}
	return false;
}

static void add_table(struct gen *g, unsigned int ring, unsigned int task)
{
	bool filled = prng_chance(&g->p, 2, 3), small = prng_chance(&g->p, 1, 6);
	unsigned int n = small ? prng_below(&g->p, 4) : 2u * g->s->nr_objs;
	struct step *t = gen_add_on_ring(g, STEP_FILES, ring, task);

	if (!t)
		return;
	t->len = n;
	t->value = filled;
	g->tables = g->table[ring] = true;
}

void gen_tables(struct gen *g)
{
	unsigned int ring, task;

	for (unsigned int i = 0; i < g->s->nr_rings; i++)
		if (gen_pick_ring(g, &ring, &task))
			add_table(g, ring, task);
}

void gen_file_step(struct gen *g)
{
	unsigned int how = prng_below(&g->p, 16), ring, task;
	struct fdref fd;
	struct step *t;

	if (!gen_pick_ring(g, &ring, &task))
		return;
	if (how == 0 || (!g->table[ring] && how < 12)) {
		add_table(g, ring, task);
		return;
	}
	if (how > 4 && !pick_end(g, &fd))
		return;
	t = gen_add_on_ring(g, how < 5 ? STEP_UNFILES : STEP_SLOT, ring, task);
	if (!t)
		return;
	if (how < 5) {
		g->table[ring] = false;
		return;
	}
	t->fd = fd;
	t->value = how < 9;
}

/* Something from no ring for one, of any task; rarely only a question. */
void gen_tell(struct gen *g)
{
	unsigned int ring = prng_below(&g->p, g->s->nr_rings), task = gen_any_task(g), res = prng_below(&g->p, 100);
	bool asks = prng_chance(&g->p, 1, 3);
	struct step *t;

	if (g->ring_gone[ring])
		return;
	t = gen_add_on_ring(g, asks ? STEP_PROBE : STEP_TELL, ring, task);
	if (t)
		t->len = asks ? 0 : res;
}
