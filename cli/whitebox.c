#include <errno.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/make.h"
#include "cli/options.h"
#include "cli/runners.h"
#include "cli/tracefs.h"
#include "stream/optable.h"

static const char help[] =
	"augur whitebox [--streams N] [--seed N] [--schedules N]\n"
	"\n"
	"Looks inside: does our engine hand the same requests to io-wq as the running kernel, in the same way? Runs random\n"
	"streams on both; the kernel's tracepoint io_uring_queue_async_work and the engine's tell which requests went to\n"
	"io-wq, hashed or not, concurrent (forced) or not. What the kernel did must be among what the engine did under some\n"
	"schedule; and what the engine does under every schedule the kernel must have done. What differs is counted by the\n"
	"kind of request, with the seed of a stream that shows it. Unbound is not in the kernel's event, and not compared.\n"
	"\n"
	"Needs root and tracefs; without, exit status 77. Status 1 when something differs.\n"
	"\n"
	"  --streams N      so many streams (default 1000)\n"
	"  --seed N         seed of the first (default 1)\n"
	"  --schedules N    the engine runs under so many schedules before it is said that it never does so (default 40)\n"
	"  --weights LIST, --size N   as in augur fuzz\n";

enum { MAX_ROWS = 256, HASHED = 1, CONCURRENT = 2, WAYS = 4 };

struct row {
	char what[96];
	uint64_t nr, seed;
};

struct whitebox {
	uint64_t streams, seed, schedules;
	struct make_options make;
	struct hand *hand[RUNNERS];
	struct tracefs *tracefs;
	struct stream s;
	uint8_t kernel[STREAM_MAX_REQS], engine[STREAM_MAX_REQS]; /* bit masks of ways */
	unsigned int always[STREAM_MAX_REQS]; /* runs of the engine that queued it */
	bool posted[STREAM_MAX_REQS]; /* on the kernel, uncancelled, before the runner's epilogue */
	uint64_t events, lost;
	unsigned int nr_rows;
	struct row row[MAX_ROWS];
};

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

/* ---- what happened ---- */

static void seen_by_kernel(void *ctx, uint64_t user_data, uint64_t flags, int hashed)
{
	struct whitebox *w = ctx;

	if (!user_data || user_data > w->s.nr_reqs)
		return;
	w->events++;
	w->kernel[user_data - 1] |= 1u << ((hashed ? HASHED : 0) | (flags & IOSQE_ASYNC ? CONCURRENT : 0));
}

static void look_at_engine(struct whitebox *w, const struct record *rec)
{
	bool queued[STREAM_MAX_REQS] = { false };

	for (unsigned int i = 0; i < rec->nr && i < RECORD_MAX_EVENTS; i++) {
		const struct rec_event *e = &rec->ev[i];

		if (e->kind != REC_TRACE || e->req >= w->s.nr_reqs || e->flags != TRACE_QUEUED)
			continue;
		w->engine[e->req] |= 1u << ((e->res & 2 ? HASHED : 0) | (e->res & 16 ? CONCURRENT : 0));
		queued[e->req] = true;
	}
	for (unsigned int r = 0; r < w->s.nr_reqs; r++)
		w->always[r] += queued[r];
}

/* Which requests posted on the kernel by themselves: what others went through the runner may have brought about, which
 * ends them sooner there than in the simulation. */
static void look_at_kernel(struct whitebox *w, const struct record *rec)
{
	for (unsigned int i = 0; i < rec->nr && i < RECORD_MAX_EVENTS && rec->ev[i].kind != REC_EPILOGUE; i++)
		if (rec->ev[i].kind == REC_CQE && rec->ev[i].req < w->s.nr_reqs && rec->ev[i].res != -ECANCELED)
			w->posted[rec->ev[i].req] = true;
}

/* ---- what differs ---- */

static const char *way_name(unsigned int way)
{
	static const char *const names[WAYS] = { "normal", "hashed", "concurrent", "hashed, concurrent" };

	return names[way];
}

static void describe(const struct whitebox *w, unsigned int r, char *buf, size_t cap)
{
	static const char *const kinds[OBJ_KINDS] = { ".pipe", ".eventfd", ".file" };
	const struct sreq *q = &w->s.reqs[r];

	snprintf(buf, cap, "%s%s%s%s", stream_ops[q->op].word,
		 q->fd.kind == FD_OBJ && (stream_ops[q->op].takes & FIELD_FD) && w->s.objs[q->fd.obj].kind < OBJ_KINDS ?
			 kinds[w->s.objs[q->fd.obj].kind] :
			 "",
		 q->sqe_flags & IOSQE_ASYNC ? "+async" : "", stream_chain_first(&w->s, r) < r ? "+linked" : "");
}

static void note(struct whitebox *w, unsigned int r, const char *what, unsigned int way, uint64_t seed)
{
	char who[48], text[96];
	unsigned int i = 0;

	describe(w, r, who, sizeof(who));
	snprintf(text, sizeof(text), "%-28s %s %s", who, what, way < WAYS ? way_name(way) : "");
	while (i < w->nr_rows && strcmp(w->row[i].what, text) != 0)
		i++;
	if (i == MAX_ROWS)
		return;
	if (i == w->nr_rows) {
		w->nr_rows++;
		snprintf(w->row[i].what, sizeof(w->row[i].what), "%s", text);
		w->row[i].nr = 0;
		w->row[i].seed = seed;
	}
	w->row[i].nr++;
}

static bool explained(const struct whitebox *w)
{
	for (unsigned int r = 0; r < w->s.nr_reqs; r++)
		if (w->posted[r] && (w->kernel[r] & ~w->engine[r]))
			return false;
	return true;
}

static void compare(struct whitebox *w, uint64_t seed, uint64_t runs)
{
	for (unsigned int r = 0; r < w->s.nr_reqs; r++) {
		if (!w->posted[r])
			continue;
		for (unsigned int way = 0; way < WAYS; way++)
			if ((w->kernel[r] & ~w->engine[r]) >> way & 1)
				note(w, r, "kernel alone queues it", way, seed);
		if (w->always[r] == runs && !w->kernel[r])
			note(w, r, "engine alone queues it", WAYS, seed);
	}
}

/* ---- the whole ---- */

static bool run_kernel(struct whitebox *w)
{
	struct job_options o = { 0 };
	struct job *job;
	int ret = tracefs_watch(w->tracefs, hand_pid(w->hand[RUNNER_KERNEL]));

	job = ret ? NULL : runner_once(w->hand[RUNNER_KERNEL], &w->s, &o);
	if (!job)
		return false;
	look_at_kernel(w, &job->record);
	ret = tracefs_queued(w->tracefs, seen_by_kernel, w);
	w->lost += ret == -EOVERFLOW;
	return ret == 0 || ret == -EOVERFLOW;
}

static bool one_stream(struct whitebox *w, uint64_t seed)
{
	uint64_t runs = 0;

	make_stream(&w->s, seed, &w->make);
	memset(w->kernel, 0, sizeof(w->kernel));
	memset(w->engine, 0, sizeof(w->engine));
	memset(w->always, 0, sizeof(w->always));
	memset(w->posted, 0, sizeof(w->posted));
	if (!run_kernel(w))
		return false;
	/* A few schedules in any case, to know what is always done; more only while something is not explained. */
	while (runs < 5 || (runs < w->schedules && !explained(w))) {
		struct job_options o = { .seed = seed * 1000 + runs++, .trace = true };
		struct job *job = runner_once(w->hand[RUNNER_SIM], &w->s, &o);

		if (!job)
			return false;
		look_at_engine(w, &job->record);
	}
	compare(w, seed, runs);
	return true;
}

static enum exit_status start(struct whitebox *w)
{
	static const enum rec_runner runners[] = { RUNNER_KERNEL, RUNNER_SIM };
	const char *why;
	int ret = tracefs_open(&w->tracefs, &why);

	if (ret < 0) {
		fprintf(stderr, "augur whitebox: %s%s%s\n", why, ret == -EOPNOTSUPP ? "" : ": ",
			ret == -EOPNOTSUPP ? "" : strerror(-ret));
		return ret == -EOPNOTSUPP ? STATUS_SKIPPED : STATUS_ENVIRONMENT;
	}
	for (unsigned int i = 0; i < sizeof(runners) / sizeof(runners[0]); i++) {
		enum exit_status status = runner_start(&w->hand[runners[i]], runners[i], NULL, -1, &why);

		if (status == STATUS_OK)
			continue;
		fprintf(stderr, "augur whitebox: %s\n", why);
		return status;
	}
	return STATUS_OK;
}

static enum exit_status run_all(struct whitebox *w)
{
	uint64_t n = 0;

	for (; n < w->streams && !stop; n++) {
		if (!one_stream(w, w->seed + n))
			return STATUS_ENVIRONMENT;
		if (n % 500 == 499)
			fprintf(stderr, "%" PRIu64 " streams, %" PRIu64 " events, %u kinds differ\n", n + 1, w->events,
				w->nr_rows);
	}
	printf("%" PRIu64 " streams, %" PRIu64 " events of the kernel compared", n, w->events);
	printf(w->lost ? ", events lost in %" PRIu64 " streams\n" : "\n", w->lost);
	for (unsigned int i = 0; i < w->nr_rows; i++)
		printf("  %s: %" PRIu64 " times, first in stream %" PRIu64 "\n", w->row[i].what, w->row[i].nr,
		       w->row[i].seed);
	printf(w->nr_rows ? "%u kinds differ\n" : "nothing differs\n", w->nr_rows);
	return w->nr_rows ? STATUS_FORBIDDEN : STATUS_OK;
}

static enum exit_status whitebox_main(int argc, char **argv)
{
	static struct whitebox w = { .streams = 1000, .seed = 1, .schedules = 40 };
	const struct option_row rows[] = {
		{ "streams", OPTION_NUMBER, &w.streams, 1, 0, NULL },
		{ "seed", OPTION_NUMBER, &w.seed, 0, 0, NULL },
		{ "schedules", OPTION_NUMBER, &w.schedules, 1, 100000, NULL },
		{ "size", OPTION_NUMBER, &w.make.size, 1, STREAM_MAX_REQS, NULL },
		{ "weights", OPTION_STRING, &w.make.weights, 0, 0, NULL },
	};
	int nr, go = options_parse(&command_whitebox, argc, argv, rows, OPTIONS_COUNT(rows), 0, 0, &nr);
	struct sigaction act = { .sa_handler = on_signal };
	enum exit_status status;
	const char *wrong;

	if (go != OPTIONS_GO_ON)
		return go;
	wrong = make_prepare(&w.make);
	if (wrong) {
		fprintf(stderr, "augur whitebox: %s\n", wrong);
		return STATUS_USAGE;
	}
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	status = start(&w);
	if (status == STATUS_OK)
		status = run_all(&w);
	for (unsigned int i = 0; i < RUNNERS; i++)
		if (w.hand[i])
			hand_stop(w.hand[i]);
	tracefs_close(w.tracefs);
	return status;
}

const struct command command_whitebox = { "whitebox", "compares where the kernel and the engine hand requests to io-wq",
					  help, whitebox_main };
