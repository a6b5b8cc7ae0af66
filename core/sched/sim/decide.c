/* The decision stream: the only place where a run may go one way or another. Every choice with more than one
 * alternative is one byte, and those bytes are the run: replaying them from the log makes it again. */
#include <string.h>

#include "core/sched/sim/sim.h"

static struct {
	struct sched_config cfg;
	struct prng walk;
	/* WALK: a task is switched away from at a point, or a park is spurious, when these bits of the draw are 0. */
	uint64_t stay_mask;
	uint64_t calm_mask;
	uint64_t count;
	uint64_t hash;
} stream;

/* Odd, and with its bits spread: one multiplication a choice, as there are many; decide_end() mixes what comes out. */
#define HASH_STEP 0x9e3779b97f4a7c15ull

void decide_begin(const struct sched_config *cfg)
{
	struct prng style = prng_seed(prng_mix(cfg->seed));

	ENSURE(cfg->decisions || !cfg->nr_decisions);
	ENSURE(cfg->log || !cfg->log_cap);
	ENSURE_OP(cfg->explore != NULL, ==, cfg->strategy == SCHED_EXPLORE);
	memset(&stream, 0, sizeof(stream));
	stream.cfg = *cfg;
	/* Some bugs need many switches and some need long runs without one, so each run has its own rate. */
	stream.stay_mask = (2u << prng_below(&style, 4)) - 1;
	stream.calm_mask = prng_below(&style, 2) ? 15 : UINT64_MAX;
	stream.walk = prng_fork(&style, 0);
	if (cfg->explore)
		explore_begin(cfg->explore);
}

static uint32_t draw_walk(enum decision kind, uint32_t n)
{
	uint64_t r = prng_next(&stream.walk);
	uint32_t high = (uint32_t)(r >> 32);

	switch (kind) {
	case DECIDE_STAY:
		return r & stream.stay_mask ? 0 : 1 + (uint32_t)(((uint64_t)high * (n - 1)) >> 32);
	case DECIDE_SPURIOUS:
		return !(r & stream.calm_mask);
	case DECIDE_NEXT:
	case DECIDE_CHOOSE:
		break;
	}
	return (uint32_t)(((uint64_t)high * n) >> 32);
}

static void trace(enum decision kind, uint32_t n, uint32_t c, const char *what)
{
	struct sched_decision d = {
		.index = stream.count,
		.point = sim_hot.points,
		.now = sim.now,
		.self = sim_hot.self,
		.what = what,
		.n = n,
		.chosen = c,
	};

	if (kind == DECIDE_NEXT)
		d.next = sim_ready(c);
	else if (kind == DECIDE_STAY)
		d.next = c ? sim_ready(c - 1) : sim_hot.self;
	stream.cfg.trace(stream.cfg.trace_arg, &d);
}

uint32_t decide(enum decision kind, uint32_t n, const char *what)
{
	uint32_t c;

	if (n == 1)
		return 0;
	if (n > 256)
		n = 256;
	if (stream.cfg.strategy == SCHED_WALK)
		c = draw_walk(kind, n);
	else if (stream.cfg.strategy == SCHED_EXPLORE)
		c = explore_decide(stream.cfg.explore, kind, n);
	else
		c = stream.count < stream.cfg.nr_decisions ? stream.cfg.decisions[stream.count] % n : 0;
	if (stream.cfg.trace)
		trace(kind, n, c, what);
	if (stream.count < stream.cfg.log_cap)
		stream.cfg.log[stream.count] = (uint8_t)c;
	stream.count++;
	/* Who decides, when, and among how many: a replay that takes equal choices elsewhere is not the same run. */
	stream.hash = (stream.hash ^ (sim_hot.points << 32 | sim_hot.self->ordinal << 17 | n << 8 | c)) * HASH_STEP;
	return c;
}

void decide_end(struct sched_result *out)
{
	out->decisions = stream.count;
	out->hash = prng_mix(stream.hash ^ sim_hot.points);
}
