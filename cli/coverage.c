#include "cli/coverage.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <stdbool.h>
#include <string.h>

#include "cli/runners.h"
#include "core/base/uapi.h"
#include "stream/groups.h"
#include "stream/optable.h"

static const char *const end_names[COVER_ENDS] = { "success", "error", "cancelled" };

static const struct {
	const char *name;
	uint8_t bit;
} flags[COVER_FLAGS] = {
	[COVER_LINK] = { "link", IOSQE_IO_LINK },
	[COVER_HARDLINK] = { "hardlink", IOSQE_IO_HARDLINK },
	[COVER_DRAIN] = { "drain", IOSQE_IO_DRAIN },
	[COVER_ASYNC] = { "async", IOSQE_ASYNC },
	[COVER_SKIP] = { "skip_success", IOSQE_CQE_SKIP_SUCCESS },
};

static const char *const ring_names[COVER_RINGS] = { "default", "coop_taskrun", "defer_taskrun" };
static const char *const exit_names[COVER_EXITS] = { "thread", "process", "close in flight" };

/* ---- counting ---- */

static void count_cqe(struct coverage *c, const struct stream *s, const struct rec_event *ev)
{
	unsigned int op = s->reqs[ev->req].op;
	bool timed = op == SOP_TIMEOUT || op == SOP_LINK_TIMEOUT;
	enum cover_end end = COVER_ERROR;

	if (ev->res >= 0 || (timed && ev->res == -ETIME))
		end = COVER_SUCCESS;
	else if (ev->res == -ECANCELED)
		end = COVER_CANCELLED;
	c->op[op][end]++;
}

/* What enter consumed of a submit step. Returns how many. */
static unsigned int count_submit(struct coverage *c, const struct stream *s, const struct rec_event *ev)
{
	const struct step *st = &s->steps[ev->step];
	unsigned int n = ev->res > st->nr_reqs ? st->nr_reqs : (unsigned int)ev->res;

	for (unsigned int i = 0; i < n; i++)
		for (unsigned int f = 0; f < COVER_FLAGS; f++)
			c->flag[f] += !!(s->reqs[st->first_req + i].sqe_flags & flags[f].bit);
	return n;
}

static void count_ring(struct coverage *c, const struct ring *r)
{
	if (r->flags & IORING_SETUP_DEFER_TASKRUN)
		c->ring[COVER_DEFER]++;
	else if (r->flags & IORING_SETUP_COOP_TASKRUN)
		c->ring[COVER_COOP]++;
	else
		c->ring[COVER_DEFAULT]++;
}

void coverage_count(struct coverage *c, const struct stream *s, const struct record *rec)
{
	int inflight[STREAM_MAX_RINGS] = { 0 };

	c->deep += stream_largest_group(s) >= COVER_DEEP_REQS;
	for (unsigned int i = 0; i < rec->nr && i < RECORD_MAX_EVENTS; i++) {
		const struct rec_event *ev = &rec->ev[i];
		const struct step *st = ev->step < s->nr_steps ? &s->steps[ev->step] : NULL;

		if (ev->kind == REC_CQE && ev->req < s->nr_reqs) {
			count_cqe(c, s, ev);
			if (ev->ring < STREAM_MAX_RINGS)
				inflight[ev->ring]--;
		} else if (ev->kind == REC_RING && ev->ring < s->nr_rings && ev->res == 0) {
			count_ring(c, &s->rings[ev->ring]);
		} else if (ev->kind == REC_END && st && st->kind == STEP_SUBMIT && ev->res > 0) {
			inflight[st->ring] += (int)count_submit(c, s, ev);
		} else if (ev->kind == REC_BEGIN && st && st->kind == STEP_CLOSE_RING && inflight[st->ring] > 0) {
			c->exit[COVER_CLOSE]++;
		} else if (ev->kind == REC_EXIT && st) {
			c->exit[st->kind == STEP_EXIT_PROCESS ? COVER_PROCESS : COVER_THREAD]++;
		}
	}
}

void coverage_add(struct coverage *to, const struct coverage *from)
{
	uint64_t *t = (uint64_t *)to;
	const uint64_t *f = (const uint64_t *)from;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*t); i++)
		t[i] += f[i];
}

/* ---- the table ---- */

struct table {
	FILE *out;
	const struct coverage *by_runner;
	uint32_t used;
	uint64_t low;
	unsigned int short_of; /* counts below low */
};

/* One row: the count at `offset` in each runner's coverage. */
static void row(struct table *t, const char *group, const char *name, size_t offset, unsigned int nr)
{
	fprintf(t->out, "  %-16s %-10s", group, name);
	for (unsigned int r = 0; r < RUNNERS; r++) {
		const uint64_t *counts = (const uint64_t *)((const char *)&t->by_runner[r] + offset);

		if (!(t->used & 1u << r))
			continue;
		for (unsigned int i = 0; i < nr; i++) {
			char cell[24];

			snprintf(cell, sizeof(cell), "%s%" PRIu64, counts[i] < t->low ? "<" : "", counts[i]);
			t->short_of += counts[i] < t->low;
			fprintf(t->out, " %9s", cell);
		}
		for (unsigned int i = nr; i < COVER_ENDS; i++)
			fprintf(t->out, " %9s", "");
	}
	fputc('\n', t->out);
}

static void heading(const struct table *t)
{
	fprintf(t->out, "  %-27s", "coverage");
	for (unsigned int r = 0; r < RUNNERS; r++)
		if (t->used & 1u << r)
			fprintf(t->out, " %-29s", runner_names[r]);
	fprintf(t->out, "\n  %-27s", "");
	for (unsigned int r = 0; r < RUNNERS; r++)
		for (unsigned int i = 0; i < COVER_ENDS && t->used & 1u << r; i++)
			fprintf(t->out, " %9s", end_names[i]);
	fputc('\n', t->out);
}

void coverage_print(const struct coverage by_runner[RUNNERS], uint32_t used, uint64_t low, FILE *out)
{
	struct table t = { out, by_runner, used, low, 0 };

	heading(&t);
	for (unsigned int i = 0; i < SOP_NR; i++)
		row(&t, stream_ops[i].word, "", offsetof(struct coverage, op) + i * sizeof(by_runner->op[0]),
		    COVER_ENDS);
	for (unsigned int i = 0; i < COVER_FLAGS; i++)
		row(&t, flags[i].name, "flag", offsetof(struct coverage, flag) + i * sizeof(uint64_t), 1);
	for (unsigned int i = 0; i < COVER_RINGS; i++)
		row(&t, ring_names[i], "ring", offsetof(struct coverage, ring) + i * sizeof(uint64_t), 1);
	for (unsigned int i = 0; i < COVER_EXITS; i++)
		row(&t, exit_names[i], "exit", offsetof(struct coverage, exit) + i * sizeof(uint64_t), 1);
	row(&t, "8 coupled", "stream", offsetof(struct coverage, deep), 1);
	if (low)
		fprintf(out, "  %u counts are below %" PRIu64 " (marked <)\n", t.short_of, low);
}

void coverage_json(const struct coverage *c, struct json *j)
{
	json_open(j, "operations", '{');
	for (unsigned int i = 0; i < SOP_NR; i++) {
		json_open(j, stream_ops[i].word, '{');
		for (unsigned int e = 0; e < COVER_ENDS; e++)
			json_u64(j, end_names[e], c->op[i][e]);
		json_close(j, '}');
	}
	json_close(j, '}');
	json_open(j, "flags", '{');
	for (unsigned int i = 0; i < COVER_FLAGS; i++)
		json_u64(j, flags[i].name, c->flag[i]);
	json_close(j, '}');
	json_open(j, "rings", '{');
	for (unsigned int i = 0; i < COVER_RINGS; i++)
		json_u64(j, ring_names[i], c->ring[i]);
	json_close(j, '}');
	json_open(j, "exits", '{');
	for (unsigned int i = 0; i < COVER_EXITS; i++)
		json_u64(j, exit_names[i], c->exit[i]);
	json_close(j, '}');
	json_u64(j, "streams_with_8_coupled", c->deep);
}
