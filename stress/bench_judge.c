/* bench judge: what the law costs. First on default streams, beside the CPU time that the three runners take for them:
 * the share of the differential loop. Then how it grows with the number of SQEs, in streams in which all of them have to
 * do with each other and in streams made of pairs. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/json.h"
#include "core/base/diag.h"
#include "core/base/ensure.h"
#include "core/base/text.h"
#include "oracle/oracle.h"
#include "stream/generate.h"
#include "stream/groups.h"
#include "stream/parse.h"
#include "stress/bench.h"

enum { STREAMS = 200, SIZES = 4, ROUND_NS = 20000000 };

static const unsigned int sizes[SIZES] = { 8, 16, 32, 64 };

enum shape { COUPLED, PAIRS, SHAPES };

static const char *const shape_names[SHAPES] = { "coupled", "pairs" };

enum number { RUN_US, JUDGE_US, SLOWEST_US, NUMBERS };

struct judge_bench {
	struct hand **hand;
	unsigned int repeats;
	double plain[RUNNERS][NUMBERS][BENCH_MAX_REPEATS]; /* default streams: microseconds */
	double grown[RUNNERS][SHAPES][SIZES][BENCH_MAX_REPEATS]; /* microseconds for each record */
};

static double cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* Judges once, or as often as fills `fill` microseconds; microseconds for each time. */
static double time_judge(const struct stream *s, const struct record *rec, double fill)
{
	static struct verdict v;
	double start = cpu_us(), spent = 0;
	unsigned int n = 0, event;
	const char *why;

	do {
		judge(s, rec, oracle_profile(rec), &v, &why, &event);
		n++;
		spent = cpu_us() - start;
	} while (spent < fill);
	return spent / n;
}

/* ---- default streams ---- */

static int measure_plain(struct judge_bench *b, enum rec_runner runner, unsigned int repeat)
{
	static struct stream s;
	double run = 0, judged = 0, slowest = 0;

	for (unsigned int i = 0; i < STREAMS; i++) {
		struct job_options o = { .seed = i + 1 };
		struct job *job;
		double one;

		stream_generate(i + 1, NULL, &s);
		job = runner_once(b->hand[runner], &s, &o);
		if (!job)
			return -1;
		run += (double)job->cpu_ns / 1e3;
		one = time_judge(&s, &job->record, 0);
		judged += one;
		slowest = one > slowest ? one : slowest;
	}
	b->plain[runner][RUN_US][repeat] = run / STREAMS;
	b->plain[runner][JUDGE_US][repeat] = judged / STREAMS;
	b->plain[runner][SLOWEST_US][repeat] = slowest;
	return 0;
}

/* ---- growth ---- */

/* Coupled: reads and writes of one pipe, every fourth request a cancel of one of them. Pairs: a timer and its removal. */
static void make_grown(enum shape shape, unsigned int n, struct stream *s)
{
	static char buf[1 << 14];
	struct diag d;
	struct text t;

	text_init(&t, buf, sizeof(buf));
	text_printf(&t, "augur 1\nring r entries=64\npipe p\nsubmit r\n");
	for (unsigned int i = 0; i < n; i++) {
		text_printf(&t, " n%u: ", i);
		if (shape == PAIRS && i % 2)
			text_printf(&t, "timeout_remove target=n%u\n", i - 1);
		else if (shape == PAIRS)
			text_put(&t, "timeout ts=never\n");
		else if (i % 4 == 3)
			text_printf(&t, "cancel target=n%u\n", i - 3);
		else if (i % 4 == 2)
			text_put(&t, "write fd=p.in len=8\n");
		else
			text_printf(&t, "read fd=p.out len=8%s\n", i % 4 ? "" : " async");
	}
	text_put(&t, "reap r\nwrite p.in len=8\nreap r\n");
	diag_init(&d, "bench");
	stream_parse(t.buf, t.len, s, &d);
	diag_print(&d, stderr);
	ENSURE_OP(d.count, ==, 0u);
	ENSURE_OP(stream_largest_group(s), ==, shape == COUPLED ? n : 2u);
}

static int measure_grown(struct judge_bench *b, enum rec_runner runner, unsigned int repeat)
{
	static struct stream s;

	for (unsigned int shape = 0; shape < SHAPES; shape++) {
		for (unsigned int k = 0; k < SIZES; k++) {
			struct job_options o = { .seed = repeat + 1 };
			struct job *job;

			make_grown(shape, sizes[k], &s);
			job = runner_once(b->hand[runner], &s, &o);
			if (!job)
				return -1;
			b->grown[runner][shape][k][repeat] = time_judge(&s, &job->record, ROUND_NS / 1e3);
		}
	}
	return 0;
}

/* ---- telling ---- */

static double middle(const struct judge_bench *b, double *v)
{
	return bench_median(v, b->repeats);
}

static void sum_up(struct judge_bench *b, double sum[NUMBERS])
{
	sum[RUN_US] = sum[JUDGE_US] = 0;
	for (unsigned int r = 0; r < RUNNERS; r++) {
		if (!b->hand[r])
			continue;
		sum[RUN_US] += middle(b, b->plain[r][RUN_US]);
		sum[JUDGE_US] += middle(b, b->plain[r][JUDGE_US]);
	}
}

static void print_tables(struct judge_bench *b)
{
	double sum[NUMBERS];

	printf("microseconds of CPU time, %d default streams; medians of %u repeats\n", STREAMS, b->repeats);
	printf("  %-8s %12s %14s %16s\n", "", "run a stream", "judge a record", "slowest to judge");
	for (unsigned int r = 0; r < RUNNERS; r++)
		if (b->hand[r])
			printf("  %-8s %12.1f %14.2f %16.1f\n", runner_names[r], middle(b, b->plain[r][RUN_US]),
			       middle(b, b->plain[r][JUDGE_US]), middle(b, b->plain[r][SLOWEST_US]));
	sum_up(b, sum);
	printf("  %-8s %12.1f %14.2f   judging is %.1f %% of the loop\n", "all", sum[RUN_US], sum[JUDGE_US],
	       100 * sum[JUDGE_US] / (sum[RUN_US] + sum[JUDGE_US]));
	printf("\nmicroseconds for a record, by the number of SQEs\n  %-8s %-8s", "", "");
	for (unsigned int k = 0; k < SIZES; k++)
		printf(" %9u", sizes[k]);
	printf(" %9s\n", "64/8");
	for (unsigned int r = 0; r < RUNNERS; r++) {
		for (unsigned int shape = 0; shape < SHAPES && b->hand[r]; shape++) {
			double us[SIZES];

			printf("  %-8s %-8s", shape ? "" : runner_names[r], shape_names[shape]);
			for (unsigned int k = 0; k < SIZES; k++) {
				us[k] = middle(b, b->grown[r][shape][k]);
				printf(" %9.2f", us[k]);
			}
			printf(" %9.1f\n", us[SIZES - 1] / us[0]);
		}
	}
	printf("  (coupled: all SQEs have to do with each other; pairs: groups of two)\n");
}

static void print_json(struct judge_bench *b)
{
	struct json j = { .out = stdout };
	double sum[NUMBERS];
	char key[8];

	json_open(&j, NULL, '{');
	json_u64(&j, "repeats", b->repeats);
	for (unsigned int r = 0; r < RUNNERS; r++) {
		if (!b->hand[r])
			continue;
		json_open(&j, runner_names[r], '{');
		json_real(&j, "run_us", middle(b, b->plain[r][RUN_US]));
		json_real(&j, "judge_us", middle(b, b->plain[r][JUDGE_US]));
		json_real(&j, "slowest_us", middle(b, b->plain[r][SLOWEST_US]));
		for (unsigned int shape = 0; shape < SHAPES; shape++) {
			json_open(&j, shape_names[shape], '{');
			for (unsigned int k = 0; k < SIZES; k++) {
				snprintf(key, sizeof(key), "%u", sizes[k]);
				json_real(&j, key, middle(b, b->grown[r][shape][k]));
			}
			json_close(&j, '}');
		}
		json_close(&j, '}');
		json_line(&j);
	}
	sum_up(b, sum);
	json_real(&j, "share_of_loop", sum[JUDGE_US] / (sum[RUN_US] + sum[JUDGE_US]));
	json_close(&j, '}');
	json_line(&j);
}

enum exit_status bench_judge(struct hand *hand[RUNNERS], unsigned int repeats, bool json)
{
	static struct judge_bench b;

	b.hand = hand;
	b.repeats = repeats;
	for (unsigned int i = 0; i < repeats; i++) {
		for (unsigned int r = 0; r < RUNNERS; r++) {
			/* The first time warms everything up. */
			if (hand[r] && ((i == 0 && measure_plain(&b, r, i) < 0) || measure_plain(&b, r, i) < 0 ||
					measure_grown(&b, r, i) < 0))
				return STATUS_ENVIRONMENT;
		}
		fprintf(stderr, "bench: repeat %u of %u\n", i + 1, repeats);
	}
	(json ? print_json : print_tables)(&b);
	return STATUS_OK;
}
