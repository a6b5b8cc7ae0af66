/* Making smaller: the passes on predicates that only look, and the command on what the simulation shows. */
#include <linux/io_uring.h>

#include "cli/program.h"
#include "cli/shrink.h"
#include "core/base/diag.h"
#include "core/base/text.h"
#include "stream/generate.h"
#include "stream/parse.h"
#include "stream/print.h"

static char text[STREAM_PRINT_CAP];
static struct stream stream;

static const char *print(const struct stream *s)
{
	struct text t;

	text_init(&t, text, sizeof(text));
	stream_print(s, &t);
	return text;
}

static void parse(const char *from, struct stream *s)
{
	struct diag d;

	diag_init(&d, "test");
	CHECK_OP(stream_parse(from, strlen(from), s, &d), ==, 0);
	diag_print(&d, stdout);
}

static int always(void *ctx, const struct stream *s)
{
	return ctx || s;
}

/* There is a cancel of a read on a pipe. */
static int cancels_read(void *ctx, const struct stream *s)
{
	unsigned int *asked = ctx;

	if (asked)
		++*asked;
	for (unsigned int i = 0; i < s->nr_reqs; i++) {
		const struct sreq *c = &s->reqs[i], *t;

		if (c->op != SOP_ASYNC_CANCEL || c->op_flags || c->target == STREAM_NONE)
			continue;
		t = &s->reqs[c->target];
		if (t->op == SOP_READ && t->fd.kind == FD_OBJ && s->objs[t->fd.obj].kind == OBJ_PIPE)
			return 1;
	}
	return 0;
}

/* A large random stream that the predicate holds for. */
static void make_large(shrink_shows_fn *shows)
{
	struct generate_options o;

	generate_options_init(&o);
	o.size = 70;
	o.max_tasks = 4;
	for (uint64_t seed = 1; seed < 5000; seed++) {
		stream_generate(seed, &o, &stream);
		if (stream.nr_reqs >= 60 && stream.nr_tasks > 1 && shows(NULL, &stream) == 1)
			return;
	}
	CHECK(!"no such stream");
}

static void test_known_minimum(void)
{
	static const char smallest[] = "augur 1\n"
				       "ring r entries=8\n"
				       "pipe p\n"
				       "submit r\n"
				       "  a: read fd=p.out len=8\n"
				       "  b: cancel target=a\n";
	unsigned int asked = 0;
	struct shrink k = { .shows = cancels_read, .ctx = &asked };

	make_large(cancels_read);
	CHECK_OP(shrink_run(&k, &stream), ==, 0);
	if (strstr(print(&stream), "b: read"))
		CHECK_STR(text, "augur 1\nring r entries=8\npipe p\nsubmit r\n  a: cancel target=b\n"
				"  b: read fd=p.out len=8\n");
	else
		CHECK_STR(text, smallest);
	CHECK_OP((uint64_t)asked, ==, k.tried);
	CHECK(k.repeated > 0);
}

static void test_twice_the_same(void)
{
	static char first[STREAM_PRINT_CAP];
	struct shrink k = { .shows = cancels_read };

	make_large(cancels_read);
	CHECK_OP(shrink_run(&k, &stream), ==, 0);
	snprintf(first, sizeof(first), "%s", print(&stream));
	make_large(cancels_read);
	CHECK_OP(shrink_run(&k, &stream), ==, 0);
	CHECK_STR(print(&stream), first);
	/* And what is smallest stays as it is. */
	CHECK_OP(shrink_run(&k, &stream), ==, 0);
	CHECK_STR(print(&stream), first);
}

static void test_nothing_is_needed(void)
{
	struct shrink k = { .shows = always };

	make_large(always);
	CHECK_OP(shrink_run(&k, &stream), ==, 0);
	CHECK_STR(print(&stream), "augur 1\n");
}

/* A request in the second task's ring, in a chain. */
static int has_chain(void *ctx, const struct stream *s)
{
	for (unsigned int i = 0; i + 1 < s->nr_reqs; i++)
		if ((s->reqs[i].sqe_flags & IOSQE_IO_HARDLINK) && stream_chain_last(s, i) > i)
			return 1;
	return ctx != NULL;
}

static void test_chain_stays(void)
{
	struct shrink k = { .shows = has_chain };

	make_large(has_chain);
	CHECK_OP(shrink_run(&k, &stream), ==, 0);
	CHECK_STR(print(&stream), "augur 1\nring r entries=8\nsubmit r\n  a: nop hardlink\n  b: nop\n");
}

/* As long as it waits for two CQEs at once. */
static int waits_for_two(void *ctx, const struct stream *s)
{
	for (unsigned int i = 0; i < s->nr_steps; i++)
		if (s->steps[i].kind == STEP_WAIT && s->steps[i].wait_nr == 2)
			return 1;
	return ctx != NULL;
}

static void test_waits_are_met(void)
{
	struct shrink k = { .shows = waits_for_two };

	parse("augur 1\ntask t\nring r entries=64 cq=128\nring q entries=4 task=t\npipe p\nsubmit r\n  a: nop\n  b: nop\n"
	      "submit q\n  x: nop\n  y: poll_add fd=p.out events=in\nsubmit r\n  c: nop async\n  d: nop\nwait r 2\n",
	      &stream);
	CHECK_OP(shrink_run(&k, &stream), ==, 0);
	CHECK_STR(print(&stream), "augur 1\nring r entries=8\nsubmit r\n  a: nop\n  b: nop\nwait r 2\n");
}

struct budget {
	unsigned int left;
	struct stream last;
};

static int until_stopped(void *ctx, const struct stream *s)
{
	struct budget *b = ctx;

	if (b->left-- == 0)
		return -EINTR;
	if (!cancels_read(NULL, s))
		return 0;
	b->last = *s;
	return 1;
}

static void test_stopped(void)
{
	static struct budget b;
	struct shrink k = { .shows = until_stopped, .ctx = &b };

	make_large(cancels_read);
	b.left = 4;
	CHECK_OP(shrink_run(&k, &stream), ==, -EINTR);
	CHECK(stream_same(&stream, &b.last));
	CHECK(cancels_read(NULL, &stream));
}

static int is_true_of_decisions(void *ctx, const struct stream *s)
{
	const struct schedule *c = &s->schedule;

	return ctx || (c->nr_decisions > 100 && s->decisions[7] == 2 && s->decisions[100] == 1);
}

static void test_decisions(void)
{
	struct shrink k = { .shows = is_true_of_decisions, .expectations = true };
	unsigned int set = 0;

	parse("augur 1\n", &stream);
	stream.schedule.kind = 2;
	stream.schedule.nr_decisions = 3000;
	for (unsigned int i = 0; i < 3000; i++)
		stream.decisions[i] = (uint8_t)(i % 5);
	stream.decisions[100] = 1;
	CHECK_OP(shrink_decisions(&k, &stream), ==, 0);
	CHECK_OP(stream.schedule.nr_decisions, ==, 101u);
	for (unsigned int i = 0; i < 101; i++)
		set += stream.decisions[i] != 0;
	CHECK_OP(set, ==, 2u);
}

/* ---- the command ---- */

static const char planted[] = "augur 1\n"
			      "# the expectation of c is wrong\n"
			      "ring r entries=32\n"
			      "pipe p capacity=65536\n"
			      "file f size=8192\n"
			      "submit r\n"
			      "  a: write fd=f len=100 off=50\n"
			      "  b: nop async link\n"
			      "  c: poll_add fd=p.in events=out|err -> 1\n"
			      "submit r\n"
			      "  d: read fd=p.out len=100\n"
			      "  e: nop -> 0\n"
			      "write p.in len=10\n"
			      "wait r 4\n";

static void test_command(void)
{
	char *first, *second, *in, *one, *two;

	if (!program_has_sim())
		return;
	in = program_put("planted.augur", planted);
	one = program_path("one.augur");
	two = program_path("two.augur");
	CHECK_OP(program_augur("minimise", in, "--out", one, NULL), ==, 0);
	program_says("expectation/poll_add=4");
	program_says("5 requests, 4 steps became 1, 1");
	CHECK_OP(program_augur("minimise", in, "--out", two, NULL), ==, 0);
	first = program_get(one);
	second = program_get(two);
	CHECK_STR(first, second);
	CHECK(strstr(first, "  a: poll_add fd=p.in events=out"));
	CHECK(strstr(first, "schedule replay "));
	free(first);
	free(second);
	CHECK_OP(program_augur("run", one, NULL), ==, 1);
	program_says("expected 1, got 4");
}

static void test_nothing_to_find(void)
{
	if (!program_has_sim())
		return;
	CHECK_OP(program_augur("minimise", program_put("good.augur", "augur 1\nring r entries=8\nsubmit r\n  a: nop\n"),
			       "--times", "3", NULL),
		 ==, 1);
	program_says("no finding in 150 runs on sim");
	CHECK_OP(program_augur("minimise", program_put("planted.augur", planted), "--times", "2", "--rule",
			       "cancel.zero", NULL),
		 ==, 1);
	program_says("cancel.zero was not seen in 100 runs on sim");
	CHECK_OP(program_augur("minimise", program_path("good.augur"), "--on", "moon", NULL), ==, 2);
	program_says("--on wants");
}

/* On real time: how often, and how sure. */
static void test_rates(void)
{
	char *out, *in;

	if (!program_has_sim())
		return;
	in = program_put("wrong.augur",
			 "augur 1\nring r entries=8\npipe p\nsubmit r\n  a: nop -> 5\n  b: nop\nwait r 2\n");
	out = program_path("small.augur");
	CHECK_OP(program_augur("minimise", in, "--on", "engine", "--times", "20", "--out", out, NULL), ==, 0);
	program_says("expectation/nop=0, seen 6 times in 6 runs on engine");
	program_says(": 1000.00 per thousand (95 % sure: 609.66 to 1000.00)");
	program_says(
		"the smallest shows it 1000 times in 1000 runs: 1000.00 per thousand (95 % sure: 996.17 to 1000.00)");
	program_says("more than 99.9 % sure that it shows it at least half as often as FILE");
	CHECK_OP(program_augur("minimise", in, "--on", "engine", "--times", "2", "--rule", "cancel.zero", NULL), ==, 1);
	program_says("cancel.zero was not seen in 100 runs on engine");
}

static const struct check_test tests[] = {
	CHECK_TEST(test_known_minimum), CHECK_TEST(test_twice_the_same), CHECK_TEST(test_nothing_is_needed),
	CHECK_TEST(test_chain_stays),	CHECK_TEST(test_waits_are_met),	 CHECK_TEST(test_stopped),
	CHECK_TEST(test_decisions),	CHECK_TEST(test_command),	 CHECK_TEST(test_nothing_to_find),
	CHECK_TEST(test_rates),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
