/* How lies are read and told: each alteration on one small record, the mistakes of a head, and that more than one fact
 * is counted as such. */
#include "corpora/lies/lie.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "runner/record_text.h"

/* Two NOPs, then a read of a pipe. */
#define RECORD                                                                                                          \
	"augur-record 1\nrunner sim\nrelease corrected\nfs tmpfs\nflags stamps complete\nstream 9\n"                    \
	"augur 1\nring r entries=8\npipe p\nsubmit r\n  a: nop\n  b: nop\n  c: read fd=p.out len=8\nwrite p.in len=8\n" \
	"wait r 3\n"                                                                                                    \
	"events 8\n"                                                                                                    \
	"begin 10 task=0 ring=0 step=0 a=3\n"                                                                           \
	"end 20 task=0 ring=0 step=0 res=3 after=2\n"                                                                   \
	"begin 30 task=0 ring=0 step=2 a=3\n"                                                                           \
	"cqe 40 task=0 ring=0 step=2 req=0 a=1 before=2 after=3\n"                                                      \
	"cqe 50 task=0 ring=0 step=2 req=1 a=2 head=1 before=2 after=3\n"                                               \
	"cqe 60 task=0 ring=0 step=2 req=2 a=3 res=8 head=2 before=2 after=3\n"                                         \
	"data 60 task=0 obj=0 step=2 req=2 a=8 flags=130\n"                                                             \
	"end 70 task=0 ring=0 step=2 before=2 after=3\nend\n"

#define LIE(alter) "rule: result\nalter: " alter "\n\nSays so.\n\n" RECORD

static struct record truth, altered;
static struct stream stream;

static bool tell(const char *text, struct lie *l)
{
	struct diag d;

	diag_init(&d, "x.lie");
	if (!CHECK_OP(lie_parse(l, text, strlen(text), &truth, &stream, &d), ==, 0)) {
		diag_print(&d, stdout);
		return false;
	}
	lie_tell(l, &truth, &altered);
	return CHECK_OP(lie_facts(l, &truth, &altered), ==, 1u);
}

static void test_head(void)
{
	struct lie l;

	if (!tell("rule: state.cancel\nalter: cqe 4: res 0 -> -ENOENT\ncoupled: a, b\nneeds: state\n\nSays so.\n\n" RECORD,
		  &l))
		return;
	CHECK_STR(l.rule, "state.cancel");
	CHECK(l.needs_state);
	CHECK_OP(l.nr_coupled, ==, 2u);
	CHECK_OP(altered.ev[4].res, ==, -ENOENT);
	CHECK_OP(truth.ev[4].res, ==, 0);
}

static void test_fields(void)
{
	struct lie l;

	if (tell(LIE("data 6: flags 130 -> 131"), &l))
		CHECK_OP(altered.ev[6].flags, ==, 131u);
	if (tell(LIE("cqe 3: req 0 -> none"), &l))
		CHECK_OP(altered.ev[3].req, ==, REC_NO_REQ);
	if (!tell(LIE("cqe 4: stamp 50 -> 45"), &l))
		return;
	CHECK_OP(altered.ev[3].stamp, ==, 40u);
	CHECK_OP(altered.ev[4].stamp, ==, 45u);
	CHECK_OP(altered.ev[7].stamp, ==, 65u);
}

static void test_numbers_move_along(void)
{
	struct lie l;

	if (tell(LIE("cqe 4: delete"), &l)) {
		CHECK_OP(altered.nr, ==, 7u);
		CHECK_OP(altered.ev[4].req, ==, 2);
		CHECK_OP(altered.ev[4].head, ==, 1u);
		CHECK_OP(altered.ev[1].tail_after, ==, 1u);
		CHECK_OP(altered.ev[6].tail_after, ==, 2u);
	}
	if (tell(LIE("cqe 4: copy"), &l)) {
		CHECK_OP(altered.nr, ==, 9u);
		CHECK_OP(altered.ev[5].req, ==, 1);
		CHECK_OP(altered.ev[5].head, ==, 2u);
		CHECK_OP(altered.ev[6].head, ==, 3u);
		CHECK_OP(altered.ev[1].tail_after, ==, 3u);
	}
	if (tell(LIE("cqe 3: followed by cqe 40 task=0 ring=0 step=2 a=77 head=1 after=3"), &l)) {
		CHECK_OP(altered.ev[4].a, ==, 77u);
		CHECK_OP(altered.ev[5].head, ==, 2u);
	}
	if (tell(LIE("end 7: followed by hand 70 a=9"), &l))
		CHECK_OP(altered.ev[8].kind, ==, REC_HAND);
}

static void test_swaps(void)
{
	struct lie l;

	if (tell(LIE("begin 0: swap step with 2"), &l))
		CHECK_OP(altered.ev[0].step, ==, 2);
	if (!tell(LIE("cqe 4: swap with 5"), &l))
		return;
	CHECK_OP(altered.ev[4].req, ==, 2);
	CHECK_OP(altered.ev[4].head, ==, 1u);
	CHECK_OP(altered.ev[4].stamp, ==, 50u);
	CHECK_OP(altered.ev[5].kind, ==, REC_DATA);
	CHECK_OP(altered.ev[5].stamp, ==, 50u);
	CHECK_OP(altered.ev[6].req, ==, 1);
	CHECK_OP(altered.ev[6].head, ==, 2u);
}

/* Whoever tells two lies at once is found out. */
static void test_facts_are_counted(void)
{
	struct lie l;

	if (!tell(LIE("cqe 4: res 0 -> 1"), &l))
		return;
	CHECK_OP(lie_facts(&l, &truth, &truth), ==, 0u);
	altered.ev[5].flags = 1;
	CHECK_OP(lie_facts(&l, &truth, &altered), ==, 2u);
	if (!tell(LIE("cqe 4: stamp 50 -> 45"), &l))
		return;
	altered.ev[7].stamp = truth.ev[7].stamp;
	CHECK_OP(lie_facts(&l, &truth, &altered), ==, 2u);
	if (!tell(LIE("cqe 4: delete"), &l))
		return;
	altered.ev[5].a--;
	CHECK_OP(lie_facts(&l, &truth, &altered), ==, 2u);
	altered.ev[5].a++;
	altered.ev[4].head++;
	CHECK_OP(lie_facts(&l, &truth, &altered), ==, 2u);
	if (!tell(LIE("cqe 3: swap with 4"), &l))
		return;
	altered.ev[3].res = 1;
	CHECK_OP(lie_facts(&l, &truth, &altered), ==, 2u);
}

static void test_mistakes(void)
{
	static const struct {
		const char *text;
		unsigned int line;
		const char *says;
	} cases[] = {
		{ LIE("cqe 4: res 1 -> 0"), 2, "had another value" },
		{ LIE("cqe 4: res 0 -> 0"), 2, "alters nothing" },
		{ LIE("cqe 4: res 0 -> -ENOSUCH"), 2, "fit the field" },
		{ LIE("cqe 4: head 1 -> -1"), 2, "fit the field" },
		{ LIE("cqe 4: step 2 -> 65536"), 2, "fit the field" },
		{ LIE("cqe 4: rest 0 -> 1"), 2, "no such field" },
		{ LIE("cqe 4: res 0 -> 1 and more"), 2, "FIELD OLD -> NEW" },
		{ LIE("cqe 4: destroy"), 2, "FIELD OLD -> NEW" },
		{ LIE("end 4: res 0 -> 1"), 2, "it is cqe" },
		{ LIE("cqe 99: delete"), 2, "it is nothing" },
		{ LIE("event: delete"), 2, "KIND EVENT" },
		{ LIE("end 7: followed by nonsense"), 2, "expected an event" },
		{ LIE("cqe 4: swap with 3"), 2, "a later one" },
		{ LIE("cqe 4: swap with 6"), 2, "a later one" },
		{ LIE("cqe 4: swap res with 6"), 2, "another event of that kind" },
		{ LIE("cqe 4: swap 5"), 2, "expected `swap" },
		{ "rule: a\nrule: b\nalter: cqe 4: delete\n\nSo.\n\n" RECORD, 2, "twice" },
		{ "rule: a\nalter: cqe 4: delete\nwhy: so\n\nSo.\n\n" RECORD, 3, "each once" },
		{ "rule: a\nalter: cqe 4: delete\ncoupled: a\n\nSo.\n\n" RECORD, 3, "takes two" },
		{ "rule: a\nalter: cqe 4: delete\ncoupled: a, z\n\nSo.\n\n" RECORD, 3, "no request `z`" },
		{ "rule: a\nalter: cqe 4: delete\nneeds: state\n\nSo.\n\n" RECORD, 6, "coupled requests" },
		{ "rule: a\n\nSo.\n\n" RECORD, 4, "a lie needs" },
		{ "rule: a\nalter: cqe 4: delete\n\n" RECORD, 3, "a lie needs" },
		{ "rule: a\nalter: cqe 4: delete\n\nSo.\n", 4, "no record" },
		{ "rule: a\nalter: cqe 4: delete\n\nSo.\n\naugur-record 2\n", 6, "version 2" },
	};

	for (size_t i = 0; i < CHECK_COUNT(cases); i++) {
		struct lie l;
		struct diag d;

		diag_init(&d, "x.lie");
		CHECK_OP(lie_parse(&l, cases[i].text, strlen(cases[i].text), &truth, &stream, &d), ==, -EINVAL);
		if (!CHECK_OP(d.count, >=, 1u) || !CHECK_OP(d.at[0].line, ==, cases[i].line) ||
		    !CHECK(strstr(d.at[0].text, cases[i].says)))
			printf("  case %zu: line %u: %s\n", i, d.at[0].line, d.at[0].text);
	}
}

static const struct check_test tests[] = {
	CHECK_TEST(test_head),
	CHECK_TEST(test_fields),
	CHECK_TEST(test_numbers_move_along),
	CHECK_TEST(test_swaps),
	CHECK_TEST(test_facts_are_counted),
	CHECK_TEST(test_mistakes),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
