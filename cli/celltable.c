#include "cli/celltable.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "cli/runners.h"
#include "stream/optable.h"

enum { CELLS = sizeof(struct cells) / sizeof(uint32_t), CELLS_OF_OP = CELLS / SOP_NR, RAREST_OF_OP = 3, RAREST = 10 };

static const char *const state_names[CELL_STATES] = {
	[CELL_HELD] = "held",	    [CELL_DEFERRED] = "deferred", [CELL_READY] = "ready", [CELL_QUEUED] = "queued",
	[CELL_RUNNING] = "running", [CELL_ARMED] = "armed",	  [CELL_WOKEN] = "woken", [CELL_DONE] = "done",
	[CELL_POSTED] = "posted",   [CELL_UNKNOWN] = "unknown",
};

static const char *const event_names[CELL_EVENTS] = {
	[CELL_COMPLETE] = "complete",
	[CELL_CANCEL] = "cancel",
	[CELL_LINK_TIMEOUT] = "link_timeout",
	[CELL_TIMEOUT_REMOVE] = "timeout_remove",
	[CELL_EXIT] = "exit",
	[CELL_CLOSE] = "close",
};

static const char *const result_names[CELL_RESULTS] = {
	[CELL_OK] = "ok",	[CELL_SHORT] = "short",	      [CELL_ZERO] = "zero",	[CELL_ECANCELED] = "ECANCELED",
	[CELL_EINTR] = "EINTR", [CELL_EALREADY] = "EALREADY", [CELL_ENOENT] = "ENOENT", [CELL_ETIME] = "ETIME",
	[CELL_ERROR] = "error", [CELL_NONE] = "none",
};

static uint32_t count_of(const struct cells *c, unsigned int cell)
{
	return (&c->count[0][0][0][0])[cell];
}

static const char *state_of(unsigned int cell)
{
	return state_names[cell / (CELL_EVENTS * CELL_RESULTS) % CELL_STATES];
}

static const char *event_of(unsigned int cell)
{
	return event_names[cell / CELL_RESULTS % CELL_EVENTS];
}

static const char *result_of(unsigned int cell)
{
	return result_names[cell % CELL_RESULTS];
}

static uint64_t seen_by(const struct cells seen[RUNNERS], uint32_t runners, unsigned int cell)
{
	uint64_t n = 0;

	for (unsigned int r = 0; r < RUNNERS; r++)
		if (runners & 1u << r)
			n += count_of(&seen[r], cell);
	return n;
}

static unsigned int distinct_in(const struct cells *c, unsigned int first, unsigned int nr)
{
	unsigned int n = 0;

	for (unsigned int i = first; i < first + nr; i++)
		n += count_of(c, i) != 0;
	return n;
}

unsigned int cells_distinct(const struct cells *c)
{
	return distinct_in(c, 0, CELLS);
}

/* The rarest of cells first to first + nr - 1 that `by` has seen and `not` has not; returns how many there are. */
struct rarest {
	unsigned int nr, cell[RAREST];
	uint64_t count[RAREST];
};

static unsigned int find_rarest(const struct cells seen[RUNNERS], uint32_t by, uint32_t not, unsigned int first,
				unsigned int nr, unsigned int most, struct rarest *out)
{
	unsigned int all = 0;

	out->nr = 0;
	for (unsigned int i = first; i < first + nr; i++) {
		uint64_t n = seen_by(seen, by, i);
		unsigned int at = out->nr;

		if (n == 0 || seen_by(seen, not, i))
			continue;
		all++;
		while (at > 0 && out->count[at - 1] > n)
			at--;
		if (at == most)
			continue;
		if (out->nr < most)
			out->nr++;
		for (unsigned int k = out->nr - 1; k > at; k--) {
			out->cell[k] = out->cell[k - 1];
			out->count[k] = out->count[k - 1];
		}
		out->cell[at] = i;
		out->count[at] = n;
	}
	return all;
}

/* ---- for people ---- */

static void row(const struct cells seen[RUNNERS], uint32_t used, const char *name, unsigned int first, unsigned int nr,
		FILE *out)
{
	fprintf(out, "  %-16s", name);
	for (unsigned int r = 0; r < RUNNERS; r++) {
		uint64_t all = 0;

		if (!(used & 1u << r))
			continue;
		for (unsigned int i = first; i < first + nr; i++)
			all += count_of(&seen[r], i);
		fprintf(out, " %6u %10" PRIu64, distinct_in(&seen[r], first, nr), all);
	}
}

static void print_missed(const struct cells seen[RUNNERS], FILE *out)
{
	struct rarest rare;
	unsigned int all = find_rarest(seen, 1u << RUNNER_SIM, 1u << RUNNER_KERNEL, 0, CELLS, RAREST, &rare);

	fprintf(out, "  cells that sim has seen and the kernel has not: %u%s\n", all,
		all > rare.nr ? "; the rarest on sim:" : "");
	for (unsigned int i = 0; i < rare.nr; i++)
		fprintf(out, "    %s %s %s=%s: %" PRIu64 "\n", stream_ops[rare.cell[i] / CELLS_OF_OP].word,
			state_of(rare.cell[i]), event_of(rare.cell[i]), result_of(rare.cell[i]), rare.count[i]);
}

void cells_print(const struct cells seen[RUNNERS], uint32_t used, FILE *out)
{
	const uint32_t both = 1u << RUNNER_SIM | 1u << RUNNER_KERNEL;

	fprintf(out, "  %-16s", "cells of the law");
	for (unsigned int r = 0; r < RUNNERS; r++)
		if (used & 1u << r)
			fprintf(out, " %6s %10s", runner_names[r], "seen");
	fputs("  the rarest\n", out);
	for (unsigned int op = 0; op < SOP_NR; op++) {
		struct rarest rare;

		row(seen, used, stream_ops[op].word, op * CELLS_OF_OP, CELLS_OF_OP, out);
		find_rarest(seen, used, 0, op * CELLS_OF_OP, CELLS_OF_OP, RAREST_OF_OP, &rare);
		for (unsigned int i = 0; i < rare.nr; i++)
			fprintf(out, "%s%s %s=%s %" PRIu64, i ? ", " : "  ", state_of(rare.cell[i]),
				event_of(rare.cell[i]), result_of(rare.cell[i]), rare.count[i]);
		fputc('\n', out);
	}
	row(seen, used, "all", 0, CELLS, out);
	fputc('\n', out);
	if ((used & both) == both)
		print_missed(seen, out);
}

void cells_list(const struct cells seen[RUNNERS], uint32_t used, FILE *out)
{
	fprintf(out, "# %-13s %-9s %-15s %-10s", "operation", "state", "event", "result");
	for (unsigned int r = 0; r < RUNNERS; r++)
		if (used & 1u << r)
			fprintf(out, " %10s", runner_names[r]);
	fputc('\n', out);
	for (unsigned int i = 0; i < CELLS; i++) {
		if (!seen_by(seen, used, i))
			continue;
		fprintf(out, "%-15s %-9s %-15s %-10s", stream_ops[i / CELLS_OF_OP].word, state_of(i), event_of(i),
			result_of(i));
		for (unsigned int r = 0; r < RUNNERS; r++)
			if (used & 1u << r)
				fprintf(out, " %10" PRIu32, count_of(&seen[r], i));
		fputc('\n', out);
	}
}

/* ---- for machines ---- */

void cells_json(const struct cells seen[RUNNERS], uint32_t used, struct json *j)
{
	json_open(j, "cells", '[');
	json_line(j);
	for (unsigned int i = 0; i < CELLS; i++) {
		if (!seen_by(seen, used, i))
			continue;
		json_open(j, NULL, '{');
		json_string(j, "operation", stream_ops[i / CELLS_OF_OP].word);
		json_string(j, "state", state_of(i));
		json_string(j, "event", event_of(i));
		json_string(j, "result", result_of(i));
		for (unsigned int r = 0; r < RUNNERS; r++)
			if (used & 1u << r)
				json_u64(j, runner_names[r], count_of(&seen[r], i));
		json_close(j, '}');
		json_line(j);
	}
	json_close(j, ']');
}
