/* results.txt: the line that says how it was made, then one line for each trial and each test. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/bank.h"
#include "core/base/text.h"
#include "stream/print.h"

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

/* A named test's line is good for the test of that name alone. */
static bool load_test(struct bank *b, const char *line)
{
	char id[BANK_ID], program[BANK_TEST], test[BANK_TEST];
	unsigned int red;

	if (sscanf(line, "%23s test %95s %95s red %u", id, program, test, &red) != 4 || !strchr(line, '\n'))
		return false;
	for (unsigned int i = 0; i < b->nr; i++) {
		struct bug *bug = &b->bugs[i];

		if (strcmp(bug->id, id) == 0 && strcmp(bug->program, program) == 0 && strcmp(bug->test, test) == 0)
			bug->tested = red ? TEST_RED : TEST_GREEN;
	}
	return true;
}

/* One trial of one line; a line that is cut off is none. */
static void load_trial(struct bank *b, const char *line)
{
	struct trial t = { .done = true };
	unsigned int n, detected;
	char id[24];

	if (load_test(b, line))
		return;
	if (sscanf(line,
		   "%23s trial %u detected %u streams %" SCNu64 " cpu %" SCNu64 " reached %" SCNu64
		   " triggered %" SCNu64 " rule %95s walk %" SCNu64 " in %95s",
		   id, &n, &detected, &t.streams, &t.cpu_ns, &t.reached, &t.triggered, t.rule, &t.walk,
		   t.where) != 10 ||
	    n >= BANK_MAX_TRIALS || !strchr(line, '\n'))
		return;
	t.detected = detected;
	if (strcmp(t.where, "-") == 0)
		t.where[0] = '\0';
	for (unsigned int i = 0; i < b->nr; i++)
		if (strcmp(b->bugs[i].id, id) == 0)
			b->bugs[i].trial[n] = t;
}

enum exit_status bank_results_open(struct bank *b, const char *path)
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

void bank_keep_trial(struct bank *b, const struct bug *bug, unsigned int n)
{
	const struct trial *t = &bug->trial[n];

	fprintf(b->results,
		"%s trial %u detected %u streams %" PRIu64 " cpu %" PRIu64 " reached %" PRIu64 " triggered %" PRIu64
		" rule %s walk %" PRIu64 " in %s\n",
		bug->id, n, t->detected, t->streams, t->cpu_ns, t->reached, t->triggered, *t->rule ? t->rule : "-",
		t->walk, *t->where ? t->where : "-");
	fflush(b->results);
}

void bank_keep_test(struct bank *b, const struct bug *bug)
{
	fprintf(b->results, "%s test %s %s red %u\n", bug->id, bug->program, bug->test, bug->tested == TEST_RED);
	fflush(b->results);
}
