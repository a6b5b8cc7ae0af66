#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/chance.h"
#include "cli/command.h"
#include "cli/options.h"
#include "cli/records.h"
#include "cli/shrink.h"
#include "cli/subject.h"

static const char help[] =
	"augur minimise FILE [--on RUNNER] [--out FILE] [--times N] [--rule ID]\n"
	"\n"
	"Makes a stream smaller as long as it shows the same finding, that is, the same rule with the same roles. FILE is a\n"
	"stream, or a record: then its own first finding is what is looked for. Prints the smallest stream there is; nothing\n"
	"can be left out of it or made plainer in any way that is known here.\n"
	"\n"
	"On sim the schedule is searched anew for each candidate and then made smaller too: the stream ends with the list of\n"
	"choices that shows the finding, and showing it again takes one run. Elsewhere the schedule is the machine's: a\n"
	"candidate is taken when it shows the finding in N runs half as often as FILE. In the end it is counted how rare the\n"
	"smallest is (per thousand runs, with an interval that is 95 % sure), and said how sure it is that it shows the\n"
	"finding at least half as often as FILE. Ctrl-C stops; what is smallest so far is written.\n"
	"\n"
	"  --on RUNNER      sim (default), engine, kernel; of a record, the runner that made it\n"
	"  --out FILE       writes the stream there instead of to stdout\n"
	"  --times N        runs of one candidate at most (default: 200 on sim; elsewhere six times as many as one sighting\n"
	"                   took in FILE, 20000 at most). FILE itself gets 50 times as many to show it at all\n"
	"  --rule ID        looks for this: a rule (`cancel.enoent`), or a rule with roles as findings are named; `*` stands\n"
	"                   for anything. `expectation/*`: an expectation that is not met. Default: what is found first\n"
	"  --seed N         seed of the first run of each candidate (default: as in `augur run`)\n"
	"  --ledger DIR     known divergences; default: corpora/ledger of the workspace\n"
	"  --scratch DIR    kernel: where the scratch files are made\n"
	"\n"
	"Exit status 0 when there is a stream to show; 1 when FILE does not show the finding, or no longer.\n";

enum {
	DEFAULT_TIMES = 200,
	PATIENCE = 50,
	SIGHTINGS = 3,
	LEAST_TIMES = 40,
	MOST_TIMES = 20000,
	RATE_RUNS = 1000,
	RATE_SECONDS = 30
};

struct minimise {
	const char *on, *out, *ledger_dir, *scratch, *rule;
	uint64_t times, seed;
	bool times_given, seed_given;
	struct subject subject;
	struct ledger *ledger;
	struct repeat repeat;
	struct shrink shrink;
	bool exact; /* sim: a schedule, once found, is found again */
	uint64_t sightings; /* elsewhere: how often a candidate is to show it in `times` runs */
	uint64_t file_hits, file_runs; /* elsewhere: how often FILE showed it */
	/* of the candidate that is being run */
	uint64_t hits, wanted;
	uint64_t looked, hung; /* runs; those in which a wait hit its bound */
	double may_hang; /* the share of them that is borne: FILE's own */
	/* what is looked for: empty until FILE has shown something */
	char want[FINDING_NAME];
	char release[32];
	/* sim: the schedule of the best */
	struct schedule schedule;
	uint8_t decisions[STREAM_MAX_DECISIONS];
	uint64_t hit_seed;
	struct stream *work;
	/* progress */
	bool terminal, quiet;
	uint64_t last_ns, start_reqs;
};

static volatile sig_atomic_t stopped_by_signal;
static volatile int stop;

static void on_signal(int sig)
{
	stopped_by_signal = sig;
	stop = 1;
}

static void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* ---- progress ---- */

static void tick(void *ctx)
{
	struct minimise *m = ctx;
	uint64_t now = now_ns(), every = m->terminal ? 250000000ull : 10000000000ull;
	const struct stream *s = m->shrink.best ? m->shrink.best : &m->subject.file.stream;

	if (m->quiet || now - m->last_ns < every)
		return;
	m->last_ns = now;
	fprintf(stderr,
		m->terminal ? "\r\033[K%u of %" PRIu64 " requests, %u steps; %" PRIu64 " candidates, %" PRIu64 " runs" :
			      "%u of %" PRIu64 " requests, %u steps; %" PRIu64 " candidates, %" PRIu64 " runs\n",
		s->nr_reqs, m->start_reqs, s->nr_steps, m->shrink.tried, m->repeat.runs);
}

static void end_progress(struct minimise *m)
{
	if (m->terminal && m->last_ns)
		fputs("\r\033[K", stderr);
	m->last_ns = now_ns();
}

/* ---- one candidate ---- */

/* Looks at one run. Ends the search when it has seen enough, or when the candidate hangs: on real time each further run
 * would cost as much. */
static bool look(void *ctx, struct job *job, const struct outcome *o, uint64_t seed)
{
	struct minimise *m = ctx;
	char buf[FINDING_NAME];
	const char *name = shown_find(o, &job->stream, *m->want ? m->want : m->rule, buf);

	if (name && !*m->want) {
		snprintf(m->want, sizeof(m->want), "%s", name);
		snprintf(m->release, sizeof(m->release), "%s", job->record.release);
	}
	if (name && !m->hits++)
		m->hit_seed = seed;
	m->looked++;
	m->hung += !m->exact && hit_bound(&job->record);
	return m->hits >= m->wanted || (!name && (double)m->hung > m->may_hang * (double)(m->looked + 20));
}

/* Up to `times` runs; 1 when it was seen as often as wanted. */
static int search(struct minimise *m, const struct stream *s, uint64_t times, uint64_t wanted)
{
	int ret;

	m->hits = m->looked = m->hung = 0;
	m->wanted = wanted;
	ret = repeat_run(&m->repeat, s, times);
	return ret < 0 ? ret : m->hits >= wanted;
}

static void keep_schedule(struct minimise *m, const struct stream *s)
{
	m->schedule = s->schedule;
	memcpy(m->decisions, s->decisions, s->schedule.nr_decisions);
}

/* sim: by the best one's schedule first, then by the seeds. */
static int shows_exactly(struct minimise *m, const struct stream *s)
{
	int ret = 0;

	stream_copy_lean(m->work, s);
	if (m->schedule.kind) {
		m->work->schedule = m->schedule;
		memcpy(m->work->decisions, m->decisions, m->schedule.nr_decisions);
		ret = search(m, m->work, 1, 1);
	}
	if (ret)
		return ret;
	m->work->schedule = (struct schedule){ 0 };
	ret = search(m, m->work, m->times, 1);
	if (ret == 1)
		m->schedule = (struct schedule){ .kind = SCHEDULE_WALK, .seed = m->hit_seed };
	return ret;
}

static int shows(void *ctx, const struct stream *s)
{
	struct minimise *m = ctx;
	int ret = m->exact ? shows_exactly(m, s) : search(m, s, m->times, m->sightings);

	/* A candidate that the environment refuses is not what we look for. */
	if (ret < 0 && m->repeat.error) {
		m->repeat.error = 0;
		ret = 0;
	}
	return ret;
}

static int shows_replay(void *ctx, const struct stream *s)
{
	return search(ctx, s, 1, 1);
}

/* ---- FILE itself ---- */

static enum exit_status say_failed(struct minimise *m, int ret)
{
	fprintf(stderr, "augur minimise: %s: the stream was not run: %s: %s\n", m->subject.file.path, strerror(-ret),
		m->repeat.why);
	return STATUS_ENVIRONMENT;
}

static enum exit_status say_not_seen(struct minimise *m, uint64_t runs)
{
	const char *what = *m->want ? m->want : m->rule;

	end_progress(m);
	fprintf(stderr, "augur minimise: %s: %s%s in %" PRIu64 " runs on %s\n", m->subject.file.path,
		what ? what : "no finding", what ? " was not seen" : "", runs, runner_names[m->repeat.runner]);
	return STATUS_FORBIDDEN;
}

/* `: 2.80 per thousand (95 % sure: 1.67 to 4.69)` */
static void put_rate(uint64_t hits, uint64_t runs)
{
	struct chance c = chance_of(hits, runs);

	fprintf(stderr, ": %.2f per thousand (95 %% sure: %.2f to %.2f)", 1000 * c.rate, 1000 * c.low, 1000 * c.high);
}

/* On real time a candidate is to show it half as often as FILE did: in runs that are enough to tell. */
static void choose_times(struct minimise *m, uint64_t hits, uint64_t runs)
{
	uint64_t times = 2 * SIGHTINGS * runs / hits;

	if (m->exact)
		return;
	if (!m->times_given)
		m->times = times < LEAST_TIMES ? LEAST_TIMES : times > MOST_TIMES ? MOST_TIMES : times;
	m->sightings = m->times * hits / runs / 2;
	if (!m->sightings)
		m->sightings = 1;
}

/* Makes FILE show what is looked for, and chooses how often a candidate is run. Its own schedule comes first. */
static enum exit_status see_it(struct minimise *m)
{
	struct stream *s = &m->subject.file.stream;
	uint64_t before = m->repeat.runs;
	int ret = 0;

	m->may_hang = 1;
	stream_copy_lean(m->work, s);
	if (m->exact && s->schedule.kind) {
		ret = search(m, m->work, 1, 1);
		if (ret == 1)
			keep_schedule(m, s);
		m->work->schedule = (struct schedule){ 0 };
	}
	if (ret == 0)
		ret = search(m, m->work, PATIENCE * m->times, m->exact ? 1 : 2 * SIGHTINGS);
	if (ret < 0 && ret != -EINTR)
		return say_failed(m, ret);
	if (m->hits == 0)
		return say_not_seen(m, m->repeat.runs - before);
	m->may_hang = 2 * (double)m->hung / (double)m->looked;
	if (m->exact && !m->schedule.kind)
		m->schedule = (struct schedule){ .kind = SCHEDULE_WALK, .seed = m->hit_seed };
	m->file_hits = m->hits;
	m->file_runs = m->repeat.runs - before;
	choose_times(m, m->file_hits, m->file_runs);
	end_progress(m);
	fprintf(stderr, "augur minimise: %s: %s, seen %" PRIu64 " times in %" PRIu64 " runs on %s %s",
		m->subject.file.path, m->want, m->file_hits, m->file_runs, runner_names[m->repeat.runner], m->release);
	if (!m->exact)
		put_rate(m->file_hits, m->file_runs);
	fputc('\n', stderr);
	return STATUS_OK;
}

/* What a record shows by itself is what is looked for. */
static enum exit_status want_of_record(struct minimise *m)
{
	static struct outcome o;
	char buf[FINDING_NAME];
	const char *name;

	outcome_of(&m->subject.file.stream, &m->subject.record, m->ledger, true, &o);
	name = shown_find(&o, &m->subject.file.stream, m->rule, buf);
	if (!name) {
		fprintf(stderr, "augur minimise: %s: the record shows %s\n", m->subject.file.path,
			m->rule ? "no such finding" : "no finding");
		return STATUS_FORBIDDEN;
	}
	snprintf(m->want, sizeof(m->want), "%s", name);
	snprintf(m->release, sizeof(m->release), "%s", m->subject.record.release);
	return STATUS_OK;
}

/* ---- the end ---- */

/* The choices of the run that shows it, as a list, and that list made smaller. */
static int fix_schedule(struct minimise *m, struct stream *s)
{
	struct job *job = hand_job(m->repeat.hand, 0);
	struct shrink k = { .shows = shows_replay, .ctx = m, .expectations = true };
	int ret;

	s->schedule = m->schedule;
	memcpy(s->decisions, m->decisions, m->schedule.nr_decisions);
	ret = search(m, s, 1, 1);
	if (ret < 1 || job->nr_decisions > STREAM_MAX_DECISIONS)
		return ret < 0 ? ret : 0;
	stream_copy_lean(m->work, s);
	m->work->schedule = (struct schedule){ .kind = SCHEDULE_REPLAY, .nr_decisions = job->nr_decisions };
	memcpy(m->work->decisions, job->log, job->nr_decisions);
	ret = search(m, m->work, 1, 1);
	if (ret < 1)
		return ret;
	stream_copy_lean(s, m->work);
	return shrink_decisions(&k, s);
}

/* A line on what it shows stands above the stream. */
static void put_title(struct minimise *m, struct stream *s)
{
	int n = snprintf(s->pool, sizeof(s->pool), "# %s on %s%s%s\n", m->want, runner_names[m->repeat.runner],
			 m->exact ? "" : " ", m->exact ? "" : m->release);

	s->pool_len = (uint32_t)n + 1;
	s->comment = 1;
}

static int write_out(const char *path, const char *text, size_t len)
{
	char dir[PATH_MAX], name[PATH_MAX];

	snprintf(dir, sizeof(dir), "%s", path);
	snprintf(name, sizeof(name), "%s", path);
	return files_write(dirname(dir), basename(name), text, len);
}

static enum exit_status put_stream(struct minimise *m, const struct stream *s)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = m->out ? open_memstream(&text, &len) : stdout;
	int ret = 0;

	if (!out) {
		fprintf(stderr, "augur minimise: open_memstream: %s\n", strerror(errno));
		return STATUS_ENVIRONMENT;
	}
	stream_show(out, s);
	if (!m->out)
		return STATUS_OK;
	ret = fclose(out) != 0 ? -errno : write_out(m->out, text, len);
	free(text);
	if (ret < 0)
		fprintf(stderr, "augur minimise: write %s: %s\n", m->out, strerror(-ret));
	return ret < 0 ? STATUS_ENVIRONMENT : STATUS_OK;
}

/* Looks at one run of many, to count. */
static bool count(void *ctx, struct job *job, const struct outcome *o, uint64_t seed)
{
	struct minimise *m = ctx;
	char buf[FINDING_NAME];

	m->hits += shown_find(o, &job->stream, m->want, buf) != NULL;
	return now_ns() > m->last_ns + RATE_SECONDS * 1000000000ull;
}

/* How rare it is: in a number of runs that is fixed before, unless time runs out. A candidate that was taken for luck
 * may turn out not to show it at all. */
static enum exit_status tell_rate(struct minimise *m, const struct stream *s)
{
	uint64_t times = 5 * m->times > RATE_RUNS ? 5 * m->times : RATE_RUNS;
	double sure;

	m->quiet = true;
	m->hits = 0;
	m->repeat.runs = 0;
	m->repeat.look = count;
	if (stop || repeat_run(&m->repeat, s, times) < 0 || !m->repeat.runs)
		return STATUS_OK;
	fprintf(stderr, "augur minimise: the smallest shows it %" PRIu64 " times in %" PRIu64 " runs", m->hits,
		m->repeat.runs);
	put_rate(m->hits, m->repeat.runs);
	sure = 100 * chance_at_least(m->hits, m->repeat.runs, 0.5, m->file_hits, m->file_runs);
	/* Nothing is surer than what was counted. */
	fprintf(stderr, "\naugur minimise: %s%.1f %% sure that it shows it at least half as often as FILE\n",
		sure > 99.9 ? "more than " : "", sure > 99.9 ? 99.9 : sure);
	if (m->hits)
		return STATUS_OK;
	fprintf(stderr,
		"augur minimise: %s no longer shows in what was taken for the smallest: FILE is the one to keep\n",
		m->want);
	return STATUS_FORBIDDEN;
}

static void tell_line(struct minimise *m)
{
	char how[64] = "";

	if (!m->out)
		return;
	if (!m->exact)
		snprintf(how, sizeof(how), " --seed %" PRIu64 " --times %" PRIu64, m->seed, m->times);
	fprintf(stderr, "%s run %s --on %s%s\n", command_self(), m->out, runner_names[m->repeat.runner], how);
}

static enum exit_status minimise(struct minimise *m)
{
	struct stream *s = &m->subject.file.stream;
	unsigned int steps = s->nr_steps;
	enum exit_status status = see_it(m);
	uint64_t runs = m->repeat.runs;
	int ret;

	if (status != STATUS_OK)
		return status;
	m->shrink =
		(struct shrink){ .shows = shows, .ctx = m, .expectations = strncmp(m->want, "expectation/", 12) == 0 };
	ret = shrink_run(&m->shrink, s);
	if (ret == 0 && m->exact)
		ret = fix_schedule(m, s);
	else if (m->exact && m->schedule.kind) {
		s->schedule = m->schedule;
		memcpy(s->decisions, m->decisions, m->schedule.nr_decisions);
	}
	end_progress(m);
	if (ret < 0)
		fprintf(stderr, "augur minimise: %s: this is the smallest so far\n",
			ret == -EINTR ? "stopped" : strerror(-ret));
	fprintf(stderr,
		"augur minimise: %" PRIu64 " requests, %u steps became %u, %u; %" PRIu64 " candidates (%" PRIu64
		" more were repeated), %" PRIu64 " runs\n",
		m->start_reqs, steps, s->nr_reqs, s->nr_steps, m->shrink.tried, m->shrink.repeated,
		m->repeat.runs - runs);
	put_title(m, s);
	status = put_stream(m, s);
	fflush(stdout);
	if (!m->exact && ret == 0)
		status = status_worse(status, tell_rate(m, s));
	tell_line(m);
	return ret < 0 && ret != -EINTR ? STATUS_ENVIRONMENT : status;
}

static enum exit_status prepare(struct minimise *m, const char *path)
{
	uint32_t mask = m->on ? runners_parse(m->on) : 1u << RUNNER_SIM;
	enum exit_status status = STATUS_OK;

	if (!mask || mask & (mask - 1)) {
		fprintf(stderr, "augur minimise: --on wants sim, engine or kernel, not \"%s\"\n", m->on);
		status = STATUS_USAGE;
	}
	status = status_worse(status, subject_load(path, &m->subject));
	status = status_worse(status, files_ledger(m->ledger_dir, &m->ledger));
	if (status != STATUS_OK)
		return status;
	if (!m->on && m->subject.is_record)
		mask = 1u << m->subject.record.runner;
	m->repeat.runner = (enum rec_runner)__builtin_ctz(mask);
	m->exact = m->repeat.runner == RUNNER_SIM;
	if (!m->seed_given)
		m->seed = m->exact;
	m->start_reqs = m->subject.file.stream.nr_reqs;
	return m->subject.is_record ? want_of_record(m) : STATUS_OK;
}

static enum exit_status start(struct minimise *m)
{
	enum exit_status status;
	const char *why;

	m->work = malloc(sizeof(*m->work));
	if (!m->work) {
		fprintf(stderr, "augur minimise: malloc: %s\n", strerror(ENOMEM));
		return STATUS_ENVIRONMENT;
	}
	m->repeat.ledger = m->ledger;
	m->repeat.stop = &stop;
	m->repeat.seed = m->seed;
	m->repeat.tick = tick;
	m->repeat.look = look;
	m->repeat.ctx = m;
	m->terminal = isatty(STDERR_FILENO);
	m->last_ns = now_ns();
	status = runner_start(&m->repeat.hand, m->repeat.runner, m->scratch, -1, &why);
	if (status != STATUS_OK) {
		fprintf(stderr, "augur minimise: %s\n", why);
		return status;
	}
	catch_signals();
	status = minimise(m);
	hand_stop(m->repeat.hand);
	return status;
}

static enum exit_status minimise_main(int argc, char **argv)
{
	static struct minimise m = { .times = DEFAULT_TIMES };
	const struct option_row rows[] = {
		{ "on", OPTION_STRING, &m.on, 0, 0, NULL },
		{ "out", OPTION_STRING, &m.out, 0, 0, NULL },
		{ "times", OPTION_NUMBER, &m.times, 1, 1000000000, &m.times_given },
		{ "rule", OPTION_STRING, &m.rule, 0, 0, NULL },
		{ "seed", OPTION_NUMBER, &m.seed, 0, 0, &m.seed_given },
		{ "ledger", OPTION_STRING, &m.ledger_dir, 0, 0, NULL },
		{ "scratch", OPTION_STRING, &m.scratch, 0, 0, NULL },
	};
	int nr, go = options_parse(&command_minimise, argc, argv, rows, OPTIONS_COUNT(rows), 1, 1, &nr);
	enum exit_status status;

	if (go != OPTIONS_GO_ON)
		return go;
	status = prepare(&m, argv[1]);
	if (status == STATUS_OK)
		status = start(&m);
	free(m.work);
	subject_free(&m.subject);
	ledger_free(m.ledger);
	return status;
}

const struct command command_minimise = { "minimise", "makes a stream smaller that shows a finding", help,
					  minimise_main };
