#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/campaign.h"
#include "cli/command.h"
#include "cli/files.h"
#include "cli/findings.h"
#include "cli/make.h"
#include "cli/options.h"
#include "cli/outcome.h"
#include "cli/runners.h"
#include "core/base/prng.h"
#include "core/base/text.h"
#include "stream/print.h"

static const char help[] =
	"augur bank [--only ID] [--trials N] [--streams N] [--seconds N] [--seed N] [--patch FILE] [--out DIR]\n"
	"\n"
	"How good is the judge? Builds our engine with one planted bug at a time (fuzz/bank/ID-NAME.patch) and runs random\n"
	"streams on it, on the simulated scheduler, until the judge objects. Prints for each bug how often its line was reached\n"
	"and its fault triggered, in how many trials it was detected, by which rule, and after how many schedules and CPU\n"
	"seconds (medians; > marks one that is longer than its trial, which ended without). The first finding of each bug is\n"
	"kept, and the line below it shows it again. Needs gcc, patch and the libraries: bazel build //fuzz/bank:parts.\n"
	"What is in DIR/results.txt is not run again; that file takes results of one generator and the same limits only.\n"
	"The exit status is 1 if a neutral mutant raised an alarm, 2 if a patch does not apply: it is named with its hunk.\n"
	"\n"
	"  --only ID        this bug alone\n"
	"  --patch FILE     this patch instead of those of the bank\n"
	"  --trials N       each bug so often, with other seeds (default 3)\n"
	"  --streams N      a trial ends after so many streams (default 20000)\n"
	"  --seconds N      or after so many seconds (default 60)\n"
	"  --seed N         seed of the first stream of the first trial (default 1)\n"
	"  --out DIR        results.txt, built hands and findings (default: out/bank)\n" MAKE_HELP;

enum { MAX_BUGS = 256, MAX_TRIALS = 64, HALF = HAND_SLOTS / 2, CANARY_SIZE = 4096 };
#define TRIAL_SEEDS 1000000000ull

struct trial {
	bool done, detected;
	uint64_t streams, cpu_ns, reached, triggered;
	char rule[FINDING_ID];
	/* what is kept of it: a directory, and the schedule; empty: nothing, an earlier one is as good */
	char where[FINDING_ID];
	uint64_t walk;
};

struct bug {
	char id[24], patch[PATH_MAX];
	bool neutral;
	struct trial trial[MAX_TRIALS];
};

struct bank {
	const char *only, *patch, *out;
	uint64_t trials, streams, seconds, seed;
	struct make_options make;
	char how[256]; /* the first line of results.txt */
	unsigned int nr;
	struct bug *bugs;
	FILE *results;
	uint64_t *canary; /* of the hand that runs: reached, triggered */
	struct outcome outcome;
};

static volatile int stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static uint64_t now_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* ---- the patches ---- */

static const char *root(void)
{
	const char *dir = getenv("AUGUR_ROOT");

	return dir && *dir ? dir : ".";
}

/* Takes id and neutral from the header. */
static bool add_bug(struct bank *b, const char *path)
{
	char line[1024];
	FILE *f = fopen(path, "re");
	struct bug *bug = &b->bugs[b->nr];

	if (!f || b->nr == MAX_BUGS) {
		fprintf(stderr, "augur bank: %s: %s\n", path, f ? "too many patches" : strerror(errno));
		if (f)
			fclose(f);
		return false;
	}
	memset(bug, 0, sizeof(*bug));
	snprintf(bug->patch, sizeof(bug->patch), "%s", path);
	while (fgets(line, sizeof(line), f) && strncmp(line, "--- ", 4) != 0) {
		sscanf(line, "id: %23s", bug->id);
		bug->neutral |= strncmp(line, "neutral: yes", 12) == 0;
	}
	fclose(f);
	if (!*bug->id) {
		fprintf(stderr, "augur bank: %s: the header has no id\n", path);
		return false;
	}
	if (!b->only || strcmp(b->only, bug->id) == 0)
		b->nr++;
	return true;
}

static int is_patch(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return len > 6 && strcmp(e->d_name + len - 6, ".patch") == 0;
}

static enum exit_status find_bugs(struct bank *b)
{
	struct dirent **names;
	char dir[PATH_MAX], path[PATH_MAX + 256];
	bool ok = true;
	int n;

	if (b->patch)
		return add_bug(b, b->patch) ? STATUS_OK : STATUS_USAGE;
	snprintf(dir, sizeof(dir), "%s/fuzz/bank", root());
	n = scandir(dir, &names, is_patch, alphasort);
	if (n < 0) {
		fprintf(stderr, "augur bank: scandir %s: %s\n", dir, strerror(errno));
		return STATUS_ENVIRONMENT;
	}
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		ok &= add_bug(b, path);
		free(names[i]);
	}
	free(names);
	if (ok && b->nr == 0)
		fprintf(stderr, "augur bank: no patch has the id %s\n", b->only ? b->only : "");
	return ok && b->nr ? STATUS_OK : STATUS_USAGE;
}

static enum exit_status build(const struct bug *bug, const char *sim)
{
	char script[PATH_MAX];
	int status;
	pid_t pid;

	snprintf(script, sizeof(script), "%s/fuzz/bank/build.sh", root());
	pid = fork();
	if (pid == 0) {
		execl(script, script, bug->patch, sim, (char *)NULL);
		fprintf(stderr, "augur bank: %s: %s\n", script, strerror(errno));
		_exit(STATUS_ENVIRONMENT);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0) {
		fprintf(stderr, "augur bank: fork: %s\n", strerror(errno));
		return STATUS_ENVIRONMENT;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return STATUS_OK;
	return WIFEXITED(status) && WEXITSTATUS(status) == 2 ? STATUS_USAGE : STATUS_ENVIRONMENT;
}

/* ---- results ---- */

/* What the streams of these options are like: another generator, other weights, and results cannot be compared. */
static uint64_t fingerprint(struct bank *b)
{
	static struct stream s;
	static char buf[STREAM_PRINT_CAP];
	uint64_t h = 0xcbf29ce484222325ull;
	struct text t;

	for (uint64_t i = 0; i < 32; i++) {
		make_stream(&s, b->seed + i, &b->make);
		text_init(&t, buf, sizeof(buf));
		stream_print(&s, &t);
		for (size_t k = 0; k < t.len; k++)
			h = (h ^ (unsigned char)t.buf[k]) * 0x100000001b3ull;
	}
	return h;
}

/* One trial of one line; a line that is cut off is none. */
static void load_trial(struct bank *b, const char *line)
{
	struct trial t = { .done = true };
	unsigned int n, detected;
	char id[24];

	if (sscanf(line,
		   "%23s trial %u detected %u streams %" SCNu64 " cpu %" SCNu64 " reached %" SCNu64
		   " triggered %" SCNu64 " rule %95s walk %" SCNu64 " in %95s",
		   id, &n, &detected, &t.streams, &t.cpu_ns, &t.reached, &t.triggered, t.rule, &t.walk,
		   t.where) != 10 ||
	    n >= MAX_TRIALS || !strchr(line, '\n'))
		return;
	t.detected = detected;
	if (strcmp(t.where, "-") == 0)
		t.where[0] = '\0';
	for (unsigned int i = 0; i < b->nr; i++)
		if (strcmp(b->bugs[i].id, id) == 0)
			b->bugs[i].trial[n] = t;
}

/* What is there already, if it was made in the same way, and the file, to go on with. */
static enum exit_status open_results(struct bank *b, const char *path)
{
	char line[512];
	bool whole = true;
	long len;

	b->results = fopen(path, "a+e");
	if (!b->results) {
		fprintf(stderr, "augur bank: %s: %s\n", path, strerror(errno));
		return STATUS_ENVIRONMENT;
	}
	snprintf(b->how, sizeof(b->how),
		 "bank seed %" PRIu64 " streams %" PRIu64 " seconds %" PRIu64 " generator %016" PRIx64 "\n", b->seed,
		 b->streams, b->seconds, fingerprint(b));
	rewind(b->results);
	if (fgets(line, sizeof(line), b->results) && strcmp(line, b->how) != 0) {
		fprintf(stderr,
			"augur bank: %s:1:1: error: made with other options or by another generator; name another --out\n"
			"  it is   %.*s\n  wanted  %s",
			path, (int)strcspn(line, "\n"), line, b->how);
		return STATUS_USAGE;
	}
	while (fgets(line, sizeof(line), b->results)) {
		load_trial(b, line);
		whole = strchr(line, '\n');
	}
	fseek(b->results, 0, SEEK_END);
	len = ftell(b->results);
	fputs(len == 0 ? b->how : whole ? "" : "\n", b->results);
	fflush(b->results);
	return STATUS_OK;
}

static void keep_result(struct bank *b, const struct bug *bug, unsigned int n)
{
	const struct trial *t = &bug->trial[n];

	fprintf(b->results,
		"%s trial %u detected %u streams %" PRIu64 " cpu %" PRIu64 " reached %" PRIu64 " triggered %" PRIu64
		" rule %s walk %" PRIu64 " in %s\n",
		bug->id, n, t->detected, t->streams, t->cpu_ns, t->reached, t->triggered, *t->rule ? t->rule : "-",
		t->walk, *t->where ? t->where : "-");
	fflush(b->results);
}

/* ---- one trial ---- */

static void post(struct bank *b, struct hand *h, unsigned int i, uint64_t seed)
{
	static struct stream s;
	struct job *job = hand_job(h, i);

	make_stream(&s, seed, &b->make);
	stream_copy_lean(&job->stream, &s);
	job->options = (struct job_options){ .seed = prng_mix(seed + RUNNER_SIM) };
	hand_post(h, i);
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Judges what is in slot i. True: the judge objects, and that is stored. */
static bool judge_one(struct bank *b, const struct job *job, uint64_t seed, struct findings *f, struct trial *t)
{
	struct outcome *o = &b->outcome;
	struct evidence e = { .stream = &job->stream, .record = &job->record, .stream_seed = seed };
	int index;

	t->cpu_ns += job->cpu_ns;
	t->streams++;
	outcome_of(&job->stream, &job->record, NULL, false, o);
	if (!o->hand_died && !o->unjudged && o->nr_new == 0)
		return false;
	e.records[RUNNER_SIM] = &job->record;
	e.run_seed = prng_mix(seed + RUNNER_SIM);
	e.id = o->unjudged ? outcome_unjudged_id : outcome_died_id;
	e.text = o->unjudged ? o->why : "the hand died of the stream";
	for (unsigned int k = o->nr_kept; k-- > 0;)
		if (o->verdict.finding[k].rule->verdict == FORBIDDEN)
			e.finding = &o->verdict.finding[k];
	t->detected = true;
	snprintf(t->rule, sizeof(t->rule), "%s", e.finding ? e.finding->rule->name : e.id);
	index = findings_note(f, &e);
	if (index >= 0) {
		findings_store(f, (unsigned int)index, &e, 0, 0);
		t->walk = e.run_seed;
		snprintf(t->where, sizeof(t->where), "%.95s", file_name(f->all[index].dir));
	}
	return true;
}

/* Streams are judged in the order of their seeds, so a trial ends with the same one each time. */
static int run_trial(struct bank *b, struct hand *h, struct findings *f, uint64_t seed, struct trial *t)
{
	uint64_t end = campaign_now() + b->seconds * 1000000000ull, cpu = now_of(CLOCK_THREAD_CPUTIME_ID);
	int ret = 0;

	for (unsigned int i = 0; i < HAND_SLOTS; i++)
		post(b, h, i, seed + i);
	while (!t->detected && t->streams < b->streams && campaign_now() < end) {
		uint64_t n = t->streams;
		unsigned int i = n % HAND_SLOTS;

		/* The last of a half first: one wake-up for the half. */
		ret = i % HALF == 0 ? hand_wait(h, i + HALF - 1, &stop) : 0;
		if (ret == 0)
			ret = hand_wait(h, i, &stop);
		if (ret < 0)
			return ret;
		if (!judge_one(b, hand_job(h, i), seed + n, f, t))
			post(b, h, i, seed + n + HAND_SLOTS);
	}
	t->cpu_ns += now_of(CLOCK_THREAD_CPUTIME_ID) - cpu;
	t->done = true;
	return 0;
}

static enum exit_status run_bug(struct bank *b, struct bug *bug)
{
	char dir[PATH_MAX], path[PATH_MAX + 32], canary[PATH_MAX + 32], with[PATH_MAX + 48];
	struct findings *f = calloc(1, sizeof(*f));
	enum exit_status status = STATUS_OK;
	int fd = -1;

	snprintf(dir, sizeof(dir), "%s/%s", b->out, bug->id);
	snprintf(path, sizeof(path), "%s/augur-sim", dir);
	snprintf(canary, sizeof(canary), "%s/canary", dir);
	snprintf(with, sizeof(with), "AUGUR_SIM=%s ", path);
	if (!f || files_mkdir(dir) < 0 || findings_open(f, dir) < 0 ||
	    (fd = open(canary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) < 0 || ftruncate(fd, CANARY_SIZE) < 0) {
		fprintf(stderr, "augur bank: %s: %s\n", dir, strerror(errno));
		free(f);
		return STATUS_ENVIRONMENT;
	}
	f->with = with;
	b->canary = mmap(NULL, CANARY_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	setenv("AUGUR_SIM", path, 1);
	setenv("AUGUR_BANK_CANARY", canary, 1);
	status = b->canary == MAP_FAILED ? STATUS_ENVIRONMENT : build(bug, path);
	for (unsigned int n = 0; status == STATUS_OK && !stop && n < b->trials; n++) {
		struct trial *t = &bug->trial[n];
		struct hand *h;
		const char *why;

		if (t->done)
			continue;
		memset(b->canary, 0, CANARY_SIZE);
		status = runner_start(&h, RUNNER_SIM, NULL, -1, &why);
		if (status != STATUS_OK) {
			fprintf(stderr, "augur bank: %s: %s\n", bug->id, why);
			break;
		}
		if (run_trial(b, h, f, b->seed + n * TRIAL_SEEDS, t) < 0 && !stop)
			status = STATUS_ENVIRONMENT;
		hand_stop(h);
		t->reached = b->canary[0];
		t->triggered = b->canary[1];
		if (t->done)
			keep_result(b, bug, n);
	}
	if (b->canary != MAP_FAILED)
		munmap(b->canary, CANARY_SIZE);
	findings_close(f);
	free(f);
	return status;
}

/* ---- the table ---- */

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The rules that told, each once: `cancel.enoent, wait.late`. */
static void name_rules(const struct bank *b, const struct bug *bug, char *buf, size_t size)
{
	size_t len = 0;

	snprintf(buf, size, "-");
	for (unsigned int n = 0; n < b->trials && len < size; n++) {
		const struct trial *t = &bug->trial[n];
		bool told = false;

		for (unsigned int k = 0; k < n; k++)
			told |= bug->trial[k].detected && strcmp(bug->trial[k].rule, t->rule) == 0;
		if (t->detected && !told)
			len += (size_t)snprintf(buf + len, size - len, "%s%s", len ? ", " : "", t->rule);
	}
}

/* The line that shows the first finding that was kept. */
static void print_replay(const struct bank *b, const struct bug *bug)
{
	for (unsigned int n = 0; n < b->trials; n++) {
		const struct trial *t = &bug->trial[n];

		if (!t->detected || !*t->where)
			continue;
		printf("       AUGUR_SIM=%s/%s/augur-sim %s run %s/%s/%s/stream.augur --on sim --schedule walk:%" PRIu64
		       "\n",
		       b->out, bug->id, command_self(), b->out, bug->id, t->where, t->walk);
		return;
	}
}

/* A trial that ended without a detection lasted longer than any that has one. */
static void print_bug(const struct bank *b, const struct bug *bug)
{
	uint64_t streams[MAX_TRIALS], cpu[MAX_TRIALS], reached = 0, triggered = 0;
	unsigned int nr = 0, detected = 0;
	char rules[256];
	bool censored;

	for (unsigned int n = 0; n < b->trials; n++) {
		const struct trial *t = &bug->trial[n];

		if (!t->done)
			continue;
		streams[nr] = t->streams + (t->detected ? 0 : UINT32_MAX);
		cpu[nr++] = t->cpu_ns + (t->detected ? 0 : (uint64_t)UINT32_MAX << 20);
		reached += t->reached;
		triggered += t->triggered;
		detected += t->detected;
	}
	if (nr == 0)
		return;
	qsort(streams, nr, sizeof(streams[0]), by_number);
	qsort(cpu, nr, sizeof(cpu[0]), by_number);
	name_rules(b, bug, rules, sizeof(rules));
	censored = streams[nr / 2] > UINT32_MAX;
	printf("%-6s %10" PRIu64 " %10" PRIu64 "   %u/%u  %s%8" PRIu64 " %s%9.2f  %s%s\n", bug->id, reached, triggered,
	       detected, nr, censored ? ">" : " ", streams[nr / 2] - (censored ? UINT32_MAX : 0), censored ? ">" : " ",
	       (double)(cpu[nr / 2] - (censored ? (uint64_t)UINT32_MAX << 20 : 0)) / 1e9, rules,
	       bug->neutral ? " (neutral)" : "");
	print_replay(b, bug);
	fflush(stdout);
}

/* ---- the command ---- */

static enum exit_status run_bank(struct bank *b)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
	enum exit_status status = STATUS_OK;
	char path[PATH_MAX];
	int ret = files_mkdir(b->out);

	snprintf(path, sizeof(path), "%s/results.txt", b->out);
	if (ret < 0) {
		fprintf(stderr, "augur bank: %s: %s\n", b->out, strerror(-ret));
		return STATUS_ENVIRONMENT;
	}
	status = open_results(b, path);
	if (status != STATUS_OK) {
		if (b->results)
			fclose(b->results);
		return status;
	}
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	printf("bug       reached  triggered   found  schedules  CPU sec  rule\n");
	for (unsigned int i = 0; i < b->nr && !stop; i++) {
		struct bug *bug = &b->bugs[i];

		status = status_worse(status, run_bug(b, bug));
		print_bug(b, bug);
		for (unsigned int n = 0; n < b->trials; n++)
			if (bug->neutral && bug->trial[n].detected)
				status = STATUS_FORBIDDEN;
	}
	if (stop)
		fprintf(stderr, "augur bank: stopped; the same line goes on with what is missing\n");
	fclose(b->results);
	return status;
}

static enum exit_status bank(int argc, char **argv)
{
	struct bank *b = calloc(1, sizeof(*b));
	const struct option_row rows[] = {
		{ "only", OPTION_STRING, &b->only, 0, 0, NULL },
		{ "patch", OPTION_STRING, &b->patch, 0, 0, NULL },
		{ "trials", OPTION_NUMBER, &b->trials, 1, MAX_TRIALS, NULL },
		{ "streams", OPTION_NUMBER, &b->streams, 1, TRIAL_SEEDS, NULL },
		{ "seconds", OPTION_NUMBER, &b->seconds, 1, 1000000, NULL },
		{ "seed", OPTION_NUMBER, &b->seed, 0, 0, NULL },
		{ "out", OPTION_STRING, &b->out, 0, 0, NULL },
		{ "size", OPTION_NUMBER, &b->make.size, 1, STREAM_MAX_REQS, NULL },
		{ "weights", OPTION_STRING, &b->make.weights, 0, 0, NULL },
	};
	enum exit_status status;
	const char *wrong;
	int nr, ret;

	b->bugs = calloc(MAX_BUGS + 1, sizeof(*b->bugs));
	b->trials = 3;
	b->streams = 20000;
	b->seconds = 60;
	b->seed = 1;
	b->out = "out/bank";
	ret = options_parse(&command_bank, argc, argv, rows, OPTIONS_COUNT(rows), 0, 0, &nr);
	status = (enum exit_status)ret;
	if (ret == OPTIONS_GO_ON) {
		wrong = make_prepare(&b->make);
		if (wrong)
			fprintf(stderr, "augur bank: %s\n", wrong);
		status = wrong ? STATUS_USAGE : find_bugs(b);
		if (status == STATUS_OK)
			status = run_bank(b);
	}
	free(b->bugs);
	free(b);
	return status;
}

const struct command command_bank = {
	"bank",
	"measures the judge by the bugs planted in our engine",
	help,
	bank,
};
