/* bench: how fast streams run, by workload and by runner, and what judging them costs.
 * `bazel run //stress:bench [-- [judge|wq] [--json] [--repeats N]]`; `judge` is bench_judge.c, `wq` bench_wq.c.
 *
 * Four named workloads run on the simulation, on the engine on threads, on the kernel with a fresh thread and ring for
 * each stream, on the kernel with both reused, and through the whole differential loop of `augur fuzz` (post to three
 * hands, take three records, judge them). Every hand is pinned to the same CPU as the loop, so that all numbers are per
 * core. All of that is measured by turns in one process, so that what the machine does meanwhile hits all alike; each
 * number is the median of the repeats. It measures, and judges nothing: no number here is a pass or a failure. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/campaign.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/runners.h"
#include "core/base/diag.h"
#include "stream/parse.h"
#include "stress/bench.h"
#include "stress/bench_wq.h"

#define ROUND_NS 80000000ull /* about so long takes one measurement */
#define LOOP_ROUND_NS 400000000ull /* of the loop, which starts its hands anew and has cold ones at first */

static const struct workload {
	const char *name, *says, *text;
} workloads[] = {
	{ "nops", "8 NOPs, one submit, one wait",
	  "augur 1\nring r entries=8\nsubmit r\n"
	  "  a: nop\n  b: nop\n  c: nop\n  d: nop\n  e: nop\n  f: nop\n  g: nop\n  h: nop\n"
	  "wait r 8\n" },
	{ "pipe", "8 operations on a pipe",
	  "augur 1\nring r entries=8\npipe p\nsubmit r\n"
	  "  a: write fd=p.in len=8\n  b: write fd=p.in len=8\n  c: read fd=p.out len=8\n  d: read fd=p.out len=8\n"
	  "  e: write fd=p.in len=8\n  f: write fd=p.in len=8\n  g: read fd=p.out len=8\n  h: read fd=p.out len=8\n"
	  "wait r 8\n" },
	{ "async", "the same, 2 of them async",
	  "augur 1\nring r entries=8\npipe p\nsubmit r\n"
	  "  a: write fd=p.in len=8\n  b: write fd=p.in len=8\n  c: read fd=p.out len=8 async\n  d: read fd=p.out len=8\n"
	  "  e: write fd=p.in len=8\n  f: write fd=p.in len=8\n  g: read fd=p.out len=8 async\n  h: read fd=p.out len=8\n"
	  "wait r 8\n" },
	{ "cancel", "8 operations, 2 of them cancels",
	  "augur 1\nring r entries=8\npipe p\npipe q\nsubmit r\n"
	  "  a: read fd=q.out len=8\n  b: read fd=q.out len=8\n  c: write fd=p.in len=8\n  d: read fd=p.out len=8\n"
	  "  e: nop\n  f: nop\n  g: cancel target=a\n  h: cancel target=b\n"
	  "wait r 8\n" },
};

enum { NR_WORKLOADS = sizeof(workloads) / sizeof(workloads[0]) };

enum column { COL_SIM, COL_ENGINE, COL_FRESH, COL_REUSED, COL_LOOP, COLUMNS };

static const struct {
	const char *name;
	enum rec_runner runner; /* of all but the loop */
	bool reuse;
} columns[COLUMNS] = {
	[COL_SIM] = { "sim", RUNNER_SIM, false },
	[COL_ENGINE] = { "engine", RUNNER_ENGINE, false },
	[COL_FRESH] = { "kernel fresh", RUNNER_KERNEL, false },
	[COL_REUSED] = { "kernel reused", RUNNER_KERNEL, true },
	[COL_LOOP] = { "loop", RUNNERS, false },
};

/* What follows is measured: streams per second of wall clock, and per second of CPU time of all processes. */
struct sample {
	double wall, cpu;
};

struct cell {
	unsigned int nr;
	uint32_t round; /* streams in one measurement */
	struct sample sample[BENCH_MAX_REPEATS];
	struct sample median;
};

struct bench {
	uint64_t repeats;
	bool json;
	const char *only; /* `wq`: rows with that in their name */
	const char *out; /* the loop's findings go there; there should be none */
	struct hand *hand[RUNNERS];
	char why[256];
	struct stream stream[NR_WORKLOADS];
	struct cell cell[NR_WORKLOADS][COLUMNS];
};

/* ---- measuring ---- */

/* `n` runs of a workload by one hand. The CPU time is the hand's. */
static int measure_hand(struct bench *b, unsigned int w, enum column col, uint32_t n, struct sample *out)
{
	struct job_options o = { .seed = columns[col].runner == RUNNER_SIM, .repeat = n, .reuse = columns[col].reuse };
	uint64_t start = campaign_now(), wall;
	struct job *job = runner_once(b->hand[columns[col].runner], &b->stream[w], &o);

	if (!job)
		return -EIO;
	wall = campaign_now() - start;
	out->wall = wall ? n * 1e9 / (double)wall : 0;
	out->cpu = job->cpu_ns ? n * 1e9 / (double)job->cpu_ns : 0;
	return 0;
}

static void no_tick(struct campaign *c, void *arg)
{
	(void)c;
	(void)arg;
}

static int measure_loop(struct bench *b, unsigned int w, uint32_t n, struct sample *out)
{
	static struct campaign c;
	double seconds, cpu;
	int ret;

	c = (struct campaign){ .o = { .seed = 1, .streams = n, .jobs = 1, .fixed = &b->stream[w], .pin = true } };
	for (unsigned int r = 0; r < RUNNERS; r++)
		c.o.runners |= (uint32_t)(b->hand[r] != NULL) << r;
	ret = findings_open(&c.findings, b->out);
	if (ret < 0) {
		fprintf(stderr, "bench: --out %s: %s\n", b->out, strerror(-ret));
		return ret;
	}
	ret = feedback_open(&c.feedback);
	if (ret < 0)
		return ret;
	if (campaign_run(&c, 1000000000ull, no_tick, NULL) != END_DONE)
		return -EIO;
	feedback_close(&c.feedback);
	for (unsigned int i = 0; i < c.findings.nr; i++)
		fprintf(stderr, "bench: the loop found something: %s on %s\n", c.findings.all[i].id,
			runner_names[c.findings.all[i].runner]);
	seconds = (double)(c.ended_ns - c.started_ns) / 1e9;
	cpu = (double)c.totals.brain_ns / 1e9;
	for (unsigned int r = 0; r < RUNNERS; r++)
		cpu += (double)c.totals.leg[r].cpu_ns / 1e9;
	out->wall = seconds > 0 ? (double)c.totals.streams / seconds : 0;
	out->cpu = cpu > 0 ? (double)c.totals.streams / cpu : 0;
	findings_close(&c.findings);
	return 0;
}

static bool can(const struct bench *b, enum column col)
{
	return col == COL_LOOP || b->hand[columns[col].runner];
}

static int measure(struct bench *b, unsigned int w, enum column col, uint32_t n, struct sample *out)
{
	return col == COL_LOOP ? measure_loop(b, w, n, out) : measure_hand(b, w, col, n, out);
}

/* Finds how many streams take about ROUND_NS; the first run also warms everything up. */
static int calibrate(struct bench *b, unsigned int w, enum column col)
{
	struct cell *cell = &b->cell[w][col];
	struct sample s;
	int ret = measure(b, w, col, 100, &s);

	if (ret == 0)
		ret = measure(b, w, col, 200, &s);
	cell->round = (uint32_t)(s.wall * (col == COL_LOOP ? LOOP_ROUND_NS : ROUND_NS) / 1e9);
	if (cell->round < 100)
		cell->round = 100;
	return ret;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *v, unsigned int n)
{
	qsort(v, n, sizeof(v[0]), by_size);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double median(const struct cell *c, size_t offset)
{
	double v[BENCH_MAX_REPEATS];

	for (unsigned int i = 0; i < c->nr; i++)
		v[i] = *(const double *)((const char *)&c->sample[i] + offset);
	return bench_median(v, c->nr);
}

static int measure_all(struct bench *b)
{
	int ret = 0;

	for (unsigned int w = 0; w < NR_WORKLOADS; w++)
		for (unsigned int col = 0; col < COLUMNS && ret == 0; col++)
			if (can(b, col))
				ret = calibrate(b, w, col);
	for (uint64_t i = 0; i < b->repeats && ret == 0; i++) {
		for (unsigned int w = 0; w < NR_WORKLOADS; w++) {
			for (unsigned int col = 0; col < COLUMNS && ret == 0; col++) {
				struct cell *c = &b->cell[w][col];

				if (can(b, col))
					ret = measure(b, w, col, c->round, &c->sample[c->nr++]);
			}
		}
		fprintf(stderr, "bench: repeat %" PRIu64 " of %" PRIu64 "\n", i + 1, b->repeats);
	}
	for (unsigned int w = 0; w < NR_WORKLOADS && ret == 0; w++) {
		for (unsigned int col = 0; col < COLUMNS; col++) {
			struct cell *c = &b->cell[w][col];

			if (c->nr)
				c->median = (struct sample){ median(c, offsetof(struct sample, wall)),
							     median(c, offsetof(struct sample, cpu)) };
		}
	}
	return ret;
}

/* ---- telling ---- */

static double ratio(double a, double b)
{
	return b > 0 ? a / b : 0;
}

static void print_row(const struct bench *b, const char *unit, unsigned int w, size_t offset)
{
	printf("  %-8s %-12s", offset ? "" : workloads[w].name, unit);
	for (unsigned int col = 0; col < COLUMNS; col++) {
		const struct cell *c = &b->cell[w][col];

		if (c->nr)
			printf(" %14.0f", *(const double *)((const char *)&c->median + offset));
		else
			printf(" %14s", "-");
	}
	putchar('\n');
}

static void print_table(const struct bench *b)
{
	printf("streams per second; medians of %" PRIu64 " repeats, by turns\n  %-8s %-12s", b->repeats, "", "");
	for (unsigned int col = 0; col < COLUMNS; col++)
		printf(" %14s", columns[col].name);
	putchar('\n');
	for (unsigned int w = 0; w < NR_WORKLOADS; w++) {
		print_row(b, "wall", w, offsetof(struct sample, wall));
		print_row(b, "per CPU", w, offsetof(struct sample, cpu));
	}
	printf("\nratios; the loop runs each stream on every runner and judges it\n");
	printf("  %-8s %18s %18s %18s %18s   %s\n", "", "sim/kernel fresh", "engine/kernel fresh", "reused/fresh",
	       "loop/kernel fresh", "the workload");
	for (unsigned int w = 0; w < NR_WORKLOADS; w++) {
		const struct cell *c = b->cell[w];
		double fresh = c[COL_FRESH].median.wall;

		printf("  %-8s %18.2f %18.2f %18.2f %18.2f   %s\n", workloads[w].name,
		       ratio(c[COL_SIM].median.wall, fresh), ratio(c[COL_ENGINE].median.wall, fresh),
		       ratio(c[COL_REUSED].median.wall, fresh), ratio(c[COL_LOOP].median.cpu, c[COL_FRESH].median.cpu),
		       workloads[w].says);
	}
	printf("  (loop/kernel fresh is of the streams per second of CPU time, that is per core; the others are of wall clock)\n");
	if (*b->why)
		printf("  %s\n", b->why);
}

static void print_json(const struct bench *b)
{
	struct json j = { .out = stdout };

	json_open(&j, NULL, '{');
	json_u64(&j, "repeats", b->repeats);
	json_string(&j, "skipped", *b->why ? b->why : NULL);
	for (unsigned int w = 0; w < NR_WORKLOADS; w++) {
		const struct cell *c = b->cell[w];

		json_open(&j, workloads[w].name, '{');
		for (unsigned int col = 0; col < COLUMNS; col++) {
			if (!c[col].nr)
				continue;
			json_open(&j, columns[col].name, '{');
			json_real(&j, "per_second", c[col].median.wall);
			json_real(&j, "per_cpu_second", c[col].median.cpu);
			json_u64(&j, "streams_each", c[col].round);
			json_close(&j, '}');
		}
		json_real(&j, "sim_by_fresh", ratio(c[COL_SIM].median.wall, c[COL_FRESH].median.wall));
		json_real(&j, "loop_by_fresh_per_core", ratio(c[COL_LOOP].median.cpu, c[COL_FRESH].median.cpu));
		json_close(&j, '}');
		json_line(&j);
	}
	json_close(&j, '}');
	json_line(&j);
}

/* ---- */

static int parse_workloads(struct bench *b)
{
	for (unsigned int w = 0; w < NR_WORKLOADS; w++) {
		struct diag d;

		diag_init(&d, workloads[w].name);
		if (stream_parse(workloads[w].text, strlen(workloads[w].text), &b->stream[w], &d) < 0) {
			diag_print(&d, stderr);
			return -EINVAL;
		}
	}
	return 0;
}

static enum exit_status start_hands(struct bench *b)
{
	enum exit_status status = STATUS_OK;
	const char *why;

	for (unsigned int r = 0; r < RUNNERS; r++) {
		enum exit_status one = runner_start(&b->hand[r], r, NULL, campaign_cpu(0), &why);

		if (one == STATUS_OK)
			continue;
		b->hand[r] = NULL;
		snprintf(b->why, sizeof(b->why), "%s", why);
		fprintf(stderr, "bench: %s\n", why);
		if (one != STATUS_SKIPPED)
			status = one;
	}
	return status;
}

static enum exit_status bench_main(int argc, char **argv);

static const char help[] =
	"bench [judge | wq] [--repeats N] [--only ROW] [--json] [--out DIR]\n"
	"\n"
	"Measures how many streams run per second, by workload and runner. `judge`: what the law costs, as a share\n"
	"of running default streams on all runners, and as it grows with the number of SQEs. `wq`: our io-wq beside\n"
	"the kernel's and two thread pools, and simulated schedules per second; --only some of its rows.\n";

static const struct command command_bench = { "bench", "measures streams per second", help, bench_main };

static enum exit_status bench_main(int argc, char **argv)
{
	static struct bench b = { .repeats = 7, .out = "/tmp/augur-bench" };
	const struct option_row rows[] = {
		{ "repeats", OPTION_NUMBER, &b.repeats, BENCH_MIN_REPEATS, BENCH_MAX_REPEATS, NULL },
		{ "json", OPTION_FLAG, &b.json, 0, 0, NULL },
		{ "only", OPTION_STRING, &b.only, 0, 0, NULL },
		{ "out", OPTION_STRING, &b.out, 0, 0, NULL },
	};
	int nr, go = options_parse(&command_bench, argc, argv, rows, OPTIONS_COUNT(rows), 0, 1, &nr);
	enum exit_status status;
	bool law, wq;

	if (go != OPTIONS_GO_ON)
		return go;
	law = nr == 1 && strcmp(argv[1], "judge") == 0;
	wq = nr == 1 && strcmp(argv[1], "wq") == 0;
	if (nr == 1 && !law && !wq) {
		fprintf(stderr, "bench: the sections with a name are judge and wq, not \"%s\"\n", argv[1]);
		return STATUS_USAGE;
	}
	if (wq)
		return bench_wq((unsigned int)b.repeats, b.only, b.json);
	if (parse_workloads(&b) < 0)
		return STATUS_USAGE;
	status = start_hands(&b);
	if (status == STATUS_OK && law)
		status = bench_judge(b.hand, (unsigned int)b.repeats, b.json);
	else if (status == STATUS_OK && measure_all(&b) < 0)
		status = STATUS_ENVIRONMENT;
	if (status == STATUS_ENVIRONMENT)
		fprintf(stderr, "bench: a hand failed\n");
	for (unsigned int r = 0; r < RUNNERS; r++)
		if (b.hand[r])
			hand_stop(b.hand[r]);
	if (status == STATUS_OK && !law)
		(b.json ? print_json : print_table)(&b);
	return status;
}

/* options.c and findings.c ask for it. */
const char *command_self(void)
{
	return "./augur";
}

int main(int argc, char **argv)
{
	return bench_main(argc, argv);
}
