#include "cli/report.h"

#include <inttypes.h>
#include <string.h>

#include "cli/celltable.h"
#include "cli/runners.h"

enum { COVERAGE_STREAMS = 200000, COVERAGE_LOW = 500 }; /* from so many streams on, so few of something are marked */

static const char *const end_words[] = {
	[END_DONE] = "done",
	[END_STOPPED] = "stopped by a signal",
	[END_DISK] = "stopped: a finding could not be stored",
	[END_HANDS] = "stopped: a hand could not be started",
};

static double seconds_of(const struct campaign *c, bool ended)
{
	uint64_t end = ended ? c->ended_ns : campaign_now();

	return c->started_ns && end > c->started_ns ? (double)(end - c->started_ns) / 1e9 : 0;
}

static double per_second(uint64_t n, double seconds)
{
	return seconds > 0 ? (double)n / seconds : 0;
}

static uint32_t used(const struct campaign *c)
{
	return c->o.runners & ~c->skipped;
}

unsigned int report_count(const struct campaign *c, enum divergence_kind kind)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < c->findings.nr; i++)
		n += c->findings.all[i].kind == kind;
	return n;
}

void report_progress(struct campaign *c, char *buf, size_t size)
{
	double seconds;
	struct totals t;
	uint64_t forbidden = 0, known = 0, undecided = 0, died = 0;
	unsigned int new;
	size_t at;

	campaign_totals(c, &t);
	pthread_mutex_lock(&c->findings.lock);
	new = report_count(c, DIVERGENCE_NEW);
	pthread_mutex_unlock(&c->findings.lock);
	seconds = seconds_of(c, false);
	at = (size_t)snprintf(buf, size, "%7.1f s %9" PRIu64 " streams %6.0f/s ", seconds, t.streams,
			      per_second(t.streams, seconds));
	for (unsigned int r = 0; r < RUNNERS && at < size; r++) {
		const struct leg_totals *l = &t.leg[r];

		forbidden += l->verdict[FORBIDDEN];
		known += l->known;
		undecided += l->verdict[UNDECIDED];
		died += l->died;
		if (c->skipped & 1u << r)
			at += (size_t)snprintf(buf + at, size - at, " %s skipped", runner_names[r]);
	}
	if (at < size)
		snprintf(buf + at, size - at,
			 " forbidden %" PRIu64 " (known %" PRIu64 ") undecided %" PRIu64 " died %" PRIu64
			 "; new kinds %u",
			 forbidden, known, undecided, died, new);
}

/* ---- at the end ---- */

static void print_legs(const struct campaign *c, const struct totals *t, double seconds, FILE *out)
{
	fprintf(out, "  %-8s %10s %8s %10s %10s %10s %10s %10s %9s %6s %9s\n", "runner", "streams", "per s", "runs",
		"allowed", "forbidden", "(known)", "undecided", "unjudged", "died", "restarts");
	for (unsigned int r = 0; r < RUNNERS; r++) {
		const struct leg_totals *l = &t->leg[r];

		if (!(c->o.runners & 1u << r))
			continue;
		if (c->skipped & 1u << r) {
			fprintf(out, "  %s\n", c->why[r]);
			continue;
		}
		fprintf(out,
			"  %-8s %10" PRIu64 " %8.0f %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64
			" %9" PRIu64 " %6" PRIu64 " %9" PRIu64 "\n",
			runner_names[r], l->streams, per_second(l->streams, seconds), l->runs, l->verdict[ALLOWED],
			l->verdict[FORBIDDEN], l->known, l->verdict[UNDECIDED], l->unjudged, l->died, l->restarts);
	}
}

static void print_places(const struct campaign *c, const struct totals *t, FILE *out)
{
	for (unsigned int r = 0; r < RUNNERS; r++) {
		const struct leg_totals *l = &t->leg[r];

		if (!(used(c) & 1u << r) || !l->streams || !l->runs)
			continue;
		fprintf(out, "  %-8s %s; files on", runner_names[r], *l->release ? l->release : "?");
		for (unsigned int i = 0; i < CAMPAIGN_MAX_FS && l->fs[i].streams; i++)
			fprintf(out, "%s %s (%" PRIu64 " streams)", i ? "," : "", *l->fs[i].name ? l->fs[i].name : "?",
				l->fs[i].streams);
		fprintf(out, "; %.0f us of CPU time for each run\n", (double)l->cpu_ns / 1e3 / (double)l->runs);
	}
}

static void print_divergence(const struct divergence *d, FILE *out)
{
	char line[PATH_MAX + 128];

	fprintf(out, "    %-7s %s: %" PRIu64 " runs", runner_names[d->runner], d->id, d->count);
	if (d->again_runs)
		fprintf(out, "; seen %u of %u when run again", d->again_seen, d->again_runs);
	if (*d->ledger)
		fprintf(out, "; ledger: %s", d->ledger);
	if (!*d->dir) {
		fprintf(out, "; not stored\n");
		return;
	}
	findings_replay(d, line, sizeof(line));
	fprintf(out, "\n            in %s\n            %s\n", d->dir, line);
}

static void print_divergences(const struct campaign *c, FILE *out)
{
	static const char *const names[DIVERGENCE_KINDS] = {
		[DIVERGENCE_NEW] = "new divergences",
		[DIVERGENCE_KNOWN] = "known divergences (in the ledger)",
		[DIVERGENCE_UNDECIDED] = "undecided (nothing can be said; never counted as allowed)",
	};

	for (unsigned int k = 0; k < DIVERGENCE_KINDS; k++) {
		unsigned int n = report_count(c, k);

		fprintf(out, "  %s: %u\n", names[k], n);
		for (unsigned int i = 0; i < c->findings.nr; i++)
			if (c->findings.all[i].kind == k)
				print_divergence(&c->findings.all[i], out);
	}
	if (c->findings.lost)
		fprintf(out, "  %" PRIu64 " more runs showed kinds past the %d that are kept apart\n", c->findings.lost,
			FINDINGS_MAX);
}

/* What stopped it, where that was no signal and no clock. */
static void print_trouble(const struct campaign *c, FILE *out)
{
	if (c->findings.error)
		fprintf(out, "  %s: %s; what was stored before is whole\n", c->findings.error_what,
			strerror(c->findings.error));
	for (unsigned int r = 0; r < RUNNERS && c->hand_failed; r++)
		if (*c->why[r] && !(c->skipped & 1u << r))
			fprintf(out, "  %s\n", c->why[r]);
}

static void print_last(const struct campaign *c, const struct totals *t, FILE *out)
{
	char line[PATH_MAX + 128];

	for (unsigned int i = 0; i < c->findings.nr; i++) {
		const struct divergence *d = &c->findings.all[i];

		if (d->kind != DIVERGENCE_NEW || !*d->dir)
			continue;
		findings_replay(d, line, sizeof(line));
		fprintf(out, "%s\n", line);
		return;
	}
	if (report_count(c, DIVERGENCE_NEW) == 0)
		fprintf(out, t->streams ? "nothing new\n" : "nothing was run\n");
}

void report_text(struct campaign *c, enum campaign_end end, FILE *out)
{
	double seconds = seconds_of(c, true);
	uint64_t low = 0;
	struct totals t;

	campaign_totals(c, &t);
	if (t.streams >= COVERAGE_STREAMS)
		low = COVERAGE_LOW;
	fprintf(out,
		"campaign %s after %.1f s: %" PRIu64 " streams from seed %" PRIu64 ", %.0f per second, %" PRIu64
		" jobs\n",
		end_words[end], seconds, t.streams, c->o.seed, per_second(t.streams, seconds), c->o.jobs);
	print_legs(c, &t, seconds, out);
	print_places(c, &t, out);
	if (t.streams)
		fprintf(out, "  brain    %.0f us of CPU time for each stream\n",
			(double)t.brain_ns / 1e3 / (double)t.streams);
	if (t.streams)
		coverage_print(t.coverage, used(c), low, out);
	if (t.streams)
		cells_print(c->feedback.seen, used(c), out);
	if (c->o.feedback)
		fprintf(out,
			"  %" PRIu64 " streams were variants of such as showed something rare (--feedback %" PRIu64
			")\n",
			t.variants, c->o.feedback);
	print_divergences(c, out);
	print_trouble(c, out);
	fprintf(out, "  stored in %s\n", c->findings.dir);
	print_last(c, &t, out);
}

/* ---- for machines ---- */

static void json_leg(const struct campaign *c, const struct totals *t, unsigned int r, double seconds, struct json *j)
{
	const struct leg_totals *l = &t->leg[r];

	json_open(j, runner_names[r], '{');
	json_bool(j, "skipped", c->skipped >> r & 1);
	json_string(j, "why", *c->why[r] ? c->why[r] : NULL);
	json_string(j, "release", l->release);
	json_u64(j, "streams", l->streams);
	json_u64(j, "runs", l->runs);
	json_real(j, "per_second", per_second(l->streams, seconds));
	json_u64(j, "allowed", l->verdict[ALLOWED]);
	json_u64(j, "forbidden", l->verdict[FORBIDDEN]);
	json_u64(j, "known", l->known);
	json_u64(j, "undecided", l->verdict[UNDECIDED]);
	json_u64(j, "unjudged", l->unjudged);
	json_u64(j, "died", l->died);
	json_u64(j, "restarts", l->restarts);
	json_u64(j, "cpu_ns", l->cpu_ns);
	json_open(j, "filesystems", '{');
	for (unsigned int i = 0; i < CAMPAIGN_MAX_FS && l->fs[i].streams; i++)
		json_u64(j, l->fs[i].name, l->fs[i].streams);
	json_close(j, '}');
	coverage_json(&t->coverage[r], j);
	json_u64(j, "cells", cells_distinct(&c->feedback.seen[r]));
	json_close(j, '}');
	json_line(j);
}

static void json_divergence(const struct divergence *d, struct json *j)
{
	static const char *const kinds[DIVERGENCE_KINDS] = { "new", "known", "undecided" };
	char line[PATH_MAX + 128];

	json_open(j, NULL, '{');
	json_string(j, "id", d->id);
	json_string(j, "runner", runner_names[d->runner]);
	json_string(j, "kind", kinds[d->kind]);
	json_string(j, "ledger", *d->ledger ? d->ledger : NULL);
	json_u64(j, "runs", d->count);
	json_u64(j, "again_runs", d->again_runs);
	json_u64(j, "again_seen", d->again_seen);
	json_u64(j, "stream_seed", d->stream_seed);
	json_bool(j, "variant", d->variant);
	json_u64(j, "run_seed", d->run_seed);
	json_string(j, "stored", *d->dir ? d->dir : NULL);
	findings_replay(d, line, sizeof(line));
	json_string(j, "replay", *d->dir ? line : NULL);
	json_close(j, '}');
	json_line(j);
}

void report_json(struct campaign *c, enum campaign_end end, FILE *out)
{
	struct json j = { .out = out };
	double seconds = seconds_of(c, true);
	struct totals t;

	campaign_totals(c, &t);
	json_open(&j, NULL, '{');
	json_string(&j, "end", end_words[end]);
	json_real(&j, "seconds", seconds);
	json_u64(&j, "seed", c->o.seed);
	json_u64(&j, "jobs", c->o.jobs);
	json_u64(&j, "streams", t.streams);
	json_u64(&j, "variants", t.variants);
	json_u64(&j, "feedback", c->o.feedback);
	json_real(&j, "per_second", per_second(t.streams, seconds));
	json_u64(&j, "brain_cpu_ns", t.brain_ns);
	json_string(&j, "out", c->findings.dir);
	json_string(&j, "error", c->findings.error ? strerror(c->findings.error) : NULL);
	json_open(&j, "runners", '{');
	json_line(&j);
	for (unsigned int r = 0; r < RUNNERS; r++)
		if (c->o.runners & 1u << r)
			json_leg(c, &t, r, seconds, &j);
	json_close(&j, '}');
	cells_json(c->feedback.seen, used(c), &j);
	json_line(&j);
	json_open(&j, "divergences", '[');
	json_line(&j);
	for (unsigned int i = 0; i < c->findings.nr; i++)
		json_divergence(&c->findings.all[i], &j);
	json_close(&j, ']');
	json_u64(&j, "lost", c->findings.lost);
	json_close(&j, '}');
	json_line(&j);
}

void report_cells(struct campaign *c, enum campaign_end end, FILE *out)
{
	(void)end;
	cells_list(c->feedback.seen, used(c), out);
}
