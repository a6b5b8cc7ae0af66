/* Each lie is a test: what it was made of is true and allowed, it is one fact away from that, and the oracle names the
 * rule it breaks. The files are the arguments. */
#include "corpora/lies/lie.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "oracle/oracle.h"
#include "runner/record_text.h"

enum { MAX_LIES = 1024 };

/* Rules that no lie here breaks, and why. */
static const struct {
	const char *rule, *why;
} without[] = {
	{ "state.stranded",
	  "one fact away from a true record, wait.stranded, cancel.lost or a law of data says it first" },
	{ "state.budget", "it says nothing of the record" },
};

struct file {
	const char *path;
	char name[128];
	struct lie lie;
	bool read;
};

static struct file *files;
static unsigned int nr_files;
static char text[RECORD_TEXT_CAP];
static struct record truth, altered;
static struct stream stream;

static const struct rule *rule_named(const char *name)
{
	unsigned int nr;
	const struct rule *rules = oracle_rules(&nr);

	for (unsigned int i = 0; i < nr; i++)
		if (!strcmp(rules[i].name, name))
			return &rules[i];
	return NULL;
}

static bool load(struct file *f)
{
	FILE *in = fopen(f->path, "r");
	struct diag d;
	size_t n;

	if (!CHECK(in != NULL))
		return false;
	n = fread(text, 1, sizeof(text) - 1, in);
	fclose(in);
	text[n] = '\0';
	diag_init(&d, f->path);
	f->read = lie_parse(&f->lie, text, n, &truth, &stream, &d) == 0;
	if (f->read)
		return true;
	diag_print(&d, stdout);
	return CHECK(!"the lie can be read");
}

static bool hear(const struct record *rec, struct verdict *v)
{
	const char *why = "";
	unsigned int ev = 0;

	if (CHECK_OP(judge(&stream, rec, oracle_profile(rec), v, &why, &ev), ==, 0))
		return true;
	printf("  event %u: %s\n", ev, why);
	return false;
}

static void show(const struct verdict *v)
{
	for (unsigned int i = 0; i < v->nr && i < VERDICT_MAX_FINDINGS; i++)
		printf("  event %u: %s: %s (allowed: %s)\n", v->finding[i].event, v->finding[i].id, v->finding[i].seen,
		       v->finding[i].allowed);
}

static void exposed(const struct lie *l, const struct verdict *v)
{
	const struct rule *rule = rule_named(l->rule);

	if (!CHECK(rule != NULL) || !CHECK_OP(v->nr, >=, 1u)) {
		printf("  %s: no such rule, or nothing was found\n", l->rule);
		return;
	}
	if (!CHECK_STR(v->finding[0].rule->name, l->rule) || !CHECK(v->kind != ALLOWED) ||
	    !CHECK(rule->verdict != FORBIDDEN || v->kind == FORBIDDEN))
		show(v);
}

static void test_lie(void)
{
	struct file *f = files;
	struct verdict v;

	while (strcmp(f->name, check_name()) != 0)
		f++;
	if (!load(f))
		return;
	CHECK_OP(stream.nr_reqs, <=, 8);
	if (!hear(&truth, &v) || !CHECK(v.kind == ALLOWED)) {
		show(&v);
		return;
	}
	lie_tell(&f->lie, &truth, &altered);
	CHECK_OP(lie_facts(&f->lie, &truth, &altered), ==, 1u);
	if (!hear(&altered, &v))
		return;
	exposed(&f->lie, &v);
}

static bool told(const char *rule)
{
	for (unsigned int i = 0; i < nr_files; i++)
		if (files[i].read && !strcmp(files[i].lie.rule, rule))
			return true;
	return false;
}

/* Who adds a rule adds a lie, or says here why there can be none. */
static void test_each_rule_has_its_lie(void)
{
	unsigned int nr;
	const struct rule *rules = oracle_rules(&nr);

	for (unsigned int i = 0; i < nr; i++) {
		bool excused = false;

		for (size_t k = 0; k < CHECK_COUNT(without); k++)
			excused |= without[k].rule && !strcmp(without[k].rule, rules[i].name);
		if (!CHECK(told(rules[i].name) != excused))
			printf("  %s: %s\n", rules[i].name, excused ? "excused, and yet there is a lie" : "no lie");
	}
	for (size_t k = 0; k < CHECK_COUNT(without); k++)
		CHECK(!without[k].rule || (rule_named(without[k].rule) && *without[k].why));
}

static void test_enough(void)
{
	unsigned int coupled = 0;

	for (unsigned int i = 0; i < nr_files; i++)
		coupled += files[i].lie.needs_state;
	CHECK_OP(nr_files, >=, 44u);
	CHECK_OP(coupled, >=, 16u);
}

static bool name_of(struct file *f, const char *path)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path, *dot = strrchr(base, '.');
	size_t len = dot ? (size_t)(dot - base) : 0;

	f->path = path;
	if (!len || len >= sizeof(f->name) || strcmp(dot, ".lie") != 0)
		return false;
	memcpy(f->name, base, len);
	return true;
}

int main(int argc, char **argv)
{
	static struct check_test tests[MAX_LIES + 2];
	unsigned int n = 0;

	nr_files = (unsigned int)argc - 1;
	files = calloc(nr_files + 1, sizeof(*files));
	if (!files || nr_files > MAX_LIES)
		return 2;
	for (unsigned int i = 0; i < nr_files; i++) {
		if (!name_of(&files[i], argv[i + 1])) {
			fprintf(stderr, "%s: expected NAME.lie\n", argv[i + 1]);
			return 2;
		}
		tests[n++] = (struct check_test){ files[i].name, test_lie };
	}
	tests[n++] = (struct check_test)CHECK_TEST(test_each_rule_has_its_lie);
	tests[n++] = (struct check_test)CHECK_TEST(test_enough);
	return check_main(1, argv, tests, n);
}
