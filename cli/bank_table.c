/* The table of the bank, as it grows. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bank.h"
#include "cli/command.h"

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

static const char *say_test(const struct bug *bug)
{
	static const char *const words[] = { [TEST_NOT_RUN] = "", [TEST_GREEN] = "; green: ", [TEST_RED] = "; red: " };

	return words[bug->tested];
}

/* A trial that ended without a detection lasted longer than any that has one. */
void bank_print_bug(const struct bank *b, const struct bug *bug)
{
	uint64_t streams[BANK_MAX_TRIALS], cpu[BANK_MAX_TRIALS], reached = 0, triggered = 0;
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
	printf("%-6s %10" PRIu64 " %10" PRIu64 "   %u/%u  %s%8" PRIu64 " %s%9.2f  %s%s%s%s\n", bug->id, reached,
	       triggered, detected, nr, censored ? ">" : " ", streams[nr / 2] - (censored ? UINT32_MAX : 0),
	       censored ? ">" : " ", (double)(cpu[nr / 2] - (censored ? (uint64_t)UINT32_MAX << 20 : 0)) / 1e9, rules,
	       bug->neutral ? " (neutral)" : "", say_test(bug), bug->tested ? bug->test : "");
	print_replay(b, bug);
	fflush(stdout);
}

void bank_print_head(void)
{
	printf("bug       reached  triggered   found  schedules  CPU sec  rule; the named test, with the bug\n");
}

void bank_print_sum(const struct bank *b)
{
	unsigned int bugs = 0, found = 0, tests = 0, both = 0, neutral = 0, alarms = 0;

	for (unsigned int i = 0; i < b->nr; i++) {
		const struct bug *bug = &b->bugs[i];
		bool told = bank_found(b, bug), red = bug->tested == TEST_RED;

		if (bug->neutral) {
			neutral++;
			alarms += told;
			continue;
		}
		bugs++;
		found += told;
		tests += !told && red;
		both += told && red;
	}
	printf("%u bugs: %u found by the campaign (%u of them turn a named test red as well), %u by a named test alone, %u by "
	       "neither; %u neutral mutants, %u alarms\n",
	       bugs, found, both, tests, bugs - found - tests, neutral, alarms);
}
