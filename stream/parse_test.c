/* Text to stream and back: what is read is what is printed, and what cannot be read says where and why. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/prng.h"
#include "stream/generate.h"
#include "stream/parse.h"
#include "stream/print.h"

static struct stream a, b;
static char buf[STREAM_PRINT_CAP], buf2[STREAM_PRINT_CAP];

static size_t print(const struct stream *s, char to[STREAM_PRINT_CAP])
{
	struct text t;

	text_init(&t, to, STREAM_PRINT_CAP);
	stream_print(s, &t);
	CHECK(!t.cut);
	return t.len;
}

static bool parse(const char *text, struct stream *s)
{
	struct diag d;

	diag_init(&d, "test");
	if (stream_parse(text, strlen(text), s, &d) == 0)
		return CHECK_OP(d.count, ==, 0u);
	diag_print(&d, stdout);
	return CHECK(!"it parses");
}

/* Everything the language has, in canonical form. */
static const char all_of_it[] =
	"# before the version\n"
	"augur 1\n"
	"task t2                                     # a second one\n"
	"\n"
	"# a ring of its own\n"
	"ring r flags=single_issuer|defer_taskrun entries=16 cq=16 task=t2\n"
	"ring s flags=coop_taskrun|taskrun_flag|submit_all|clamp|r_disabled entries=4294967295\n"
	"pipe p capacity=4096 nonblock\n"
	"eventfd e count=3 nonblock semaphore\n"
	"eventfd big count=0xfffffffffffffffe\n"
	"file f size=4096\n"
	"submit r wait=2                             -> 15\n"
	"  # about a\n"
	"\n"
	"  a: read fd=p.out len=8 async link         -> -ECANCELED           # severed\n"
	"  b: nop                                    -> -ECANCELED | 0\n"
	"  c: cancel target=a                        -> 0 | -EALREADY | -512\n"
	"  d: cancel any all\n"
	"  e: cancel fd=p.in all                     -> >=0\n"
	"  f: cancel target=q fd=none op=poll_add userdata\n"
	"  g: timeout ts=20us count=1 etime_success  -> 1..8 | none\n"
	"  h: poll_add fd=e events=in|pri|out|err|hup|rdhup hardlink -> -EINTR..-EPERM\n"
	"  i: link_timeout ts=never boottime realtime\n"
	"  j: timeout_remove target=none drain skip\n"
	"  k: write fd=e value=3 len=4\n"
	"  l: write fd=big value=0xffffffffffffffff\n"
	"  m: write fd=p.in len=1048576 nowait append dsync sync\n"
	"  n: write fd=f len=100 off=7\n"
	"  o: read fd=f len=0 off=-1\n"
	"submit s\n"
	"  q: read fd=none len=9\n"
	"wait r 3                                    -> -ETIME\n"
	"reap r\n"
	"peek r task=main\n"
	"write p.in len=8\n"
	"read p.out len=8 task=t2                    -> -EAGAIN\n"
	"write e value=2\n"
	"close p.in\n"
	"close s\n"
	"max_workers r\n"
	"max_workers r bounded=1 unbounded=4294967295 task=main\n"
	"iowq_aff r cpus=0x8000000000000001\n"
	"iowq_aff r none task=main\n"
	"exit thread task=t2\n"
	"exit process                                # and that is all\n"
	"schedule replay 00ff10\n"
	"# the end\n";

static void test_everything(void)
{
	if (!parse(all_of_it, &a))
		return;
	print(&a, buf);
	CHECK_STR(buf, all_of_it);
	CHECK_OP(a.nr_reqs, ==, 16);
	CHECK_OP(a.reqs[5].target, ==, 15);
	CHECK_OP(a.reqs[4].expect.alt[0].hi, ==, INT32_MAX);
	CHECK_OP(a.reqs[13].off, ==, 7);
	CHECK_OP(a.reqs[14].off, ==, -1);
	CHECK_OP(a.steps[2].expect.alt[0].lo, ==, -62);
	CHECK_OP(a.decisions[1], ==, 0xff);
}

/* Other ways to write the same. */
static void test_free_form(void)
{
	if (!parse("\n\n#top\naugur   0x1  #tail\r\n\n\n\n  pipe\tp\n"
		   "ring r entries=0x8#no blank\ntask t2\nsubmit r->1\n\n\n"
		   "a: timeout link ts=1000000ns ->  -62|-ENOTSUP  |0\nq: read len=0x10 fd=p.out async->any\n\n\n",
		   &a))
		return;
	print(&a, buf);
	CHECK_STR(buf,
		  "# top\n# tail\naugur 1\ntask t2\nring r entries=8                            # no blank\n\npipe p\n"
		  "submit r                                    -> 1\n\n"
		  "  a: timeout ts=1ms link                    -> -ETIME | -EOPNOTSUPP | 0\n"
		  "  q: read fd=p.out len=16 async\n");
}

static void test_schedules(void)
{
	static const char want[] = "# one\n# two\n# three\nschedule replay ";

	if (!parse("augur 1\nschedule walk seed=0xffffffffffffffff # w\n", &a))
		return;
	CHECK_OP(a.schedule.seed, ==, UINT64_MAX);
	print(&a, buf);
	CHECK_STR(buf, "augur 1\nschedule walk seed=0xffffffffffffffff       # w\n");
	/* Comments of the lines behind the first are put before it. */
	if (!parse("augur 1\n# one\nschedule replay 01\n\n# two\n\nschedule replay 02 # three\nschedule replay\n", &a))
		return;
	print(&a, buf);
	CHECK(strncmp(buf + 8, want, sizeof(want) - 1) == 0);
	CHECK_STR(buf + 8 + sizeof(want) - 1, "0102\n");
	/* The longest there is. */
	stream_init(&a);
	a.schedule.kind = 2;
	a.schedule.nr_decisions = STREAM_MAX_DECISIONS;
	for (unsigned int i = 0; i < STREAM_MAX_DECISIONS; i++)
		a.decisions[i] = (uint8_t)i;
	print(&a, buf);
	if (!parse(buf, &b))
		return;
	CHECK_OP(b.schedule.nr_decisions, ==, (uint32_t)STREAM_MAX_DECISIONS);
	CHECK(memcmp(a.decisions, b.decisions, STREAM_MAX_DECISIONS) == 0);
}

/* Puts comments and expectations on a generated stream, as a person might. */
static uint32_t put_comment(struct stream *s, struct prng *p, bool tail)
{
	static const char *const lines[] = { "# a", "#", "# b -> c: # d", "", "# \t tab" };
	uint32_t at = s->pool_len;
	unsigned int n = tail ? 1 : 1 + prng_below(p, 3);

	if (prng_chance(p, 2, 3))
		return 0;
	for (unsigned int i = 0; i < n; i++) {
		/* A blank line stands between others and is no tail. */
		unsigned int k = prng_below(p, tail || i == 0 || i + 1 == n ? 3 : 5);

		s->pool_len += (uint32_t)sprintf(s->pool + s->pool_len, "%s%s", lines[k], tail ? "" : "\n");
	}
	s->pool_len++;
	return at + 1;
}

static void put_expect(struct expect *e, struct prng *p, bool call)
{
	e->nr = (uint8_t)prng_below(p, STREAM_MAX_ALTS + 1);
	for (unsigned int i = 0; i < e->nr; i++) {
		int32_t lo = (int32_t)prng_range(p, 0, 600) - 300, span = (int32_t)prng_below(p, 3);

		e->alt[i].kind = ALT_RANGE;
		e->alt[i].lo = lo;
		e->alt[i].hi = span == 2 ? INT32_MAX : lo + span;
		if (!call && prng_chance(p, 1, 6)) {
			e->alt[i].kind = ALT_NOCQE;
			e->alt[i].lo = e->alt[i].hi = 0;
		}
	}
}

static void decorate(struct stream *s, struct prng *p)
{
	s->comment = put_comment(s, p, false);
	for (unsigned int i = 1; i < s->nr_tasks; i++) {
		s->tasks[i].comment = put_comment(s, p, false);
		s->tasks[i].tail = put_comment(s, p, true);
	}
	for (unsigned int i = 0; i < s->nr_rings; i++)
		s->rings[i].tail = put_comment(s, p, true);
	for (unsigned int i = 0; i < s->nr_objs; i++)
		s->objs[i].comment = put_comment(s, p, false);
	for (unsigned int i = 0; i < s->nr_steps; i++) {
		s->steps[i].comment = put_comment(s, p, false);
		s->steps[i].tail = put_comment(s, p, true);
		put_expect(&s->steps[i].expect, p, true);
	}
	for (unsigned int i = 0; i < s->nr_reqs; i++) {
		s->reqs[i].comment = put_comment(s, p, false);
		s->reqs[i].tail = put_comment(s, p, true);
		put_expect(&s->reqs[i].expect, p, false);
	}
	if (prng_chance(p, 1, 3)) {
		s->schedule.kind = 1;
		s->schedule.seed = prng_next(p);
		s->schedule.comment = put_comment(s, p, false);
	}
	s->end_comment = put_comment(s, p, false);
}

static bool same_text(const struct stream *x, uint32_t cx, const struct stream *y, uint32_t cy)
{
	return !cx || !cy ? cx == cy : strcmp(x->pool + cx - 1, y->pool + cy - 1) == 0;
}

static bool same_expect(const struct expect *x, const struct expect *y)
{
	if (x->nr != y->nr)
		return false;
	for (unsigned int i = 0; i < x->nr; i++)
		if (x->alt[i].kind != y->alt[i].kind || x->alt[i].lo != y->alt[i].lo || x->alt[i].hi != y->alt[i].hi)
			return false;
	return true;
}

/* What stream_same() leaves out. */
static bool same_rest(const struct stream *x, const struct stream *y)
{
	bool same = same_text(x, x->comment, y, y->comment) && same_text(x, x->end_comment, y, y->end_comment) &&
		    same_text(x, x->schedule.comment, y, y->schedule.comment) && x->schedule.kind == y->schedule.kind &&
		    x->schedule.seed == y->schedule.seed;

	for (unsigned int i = 0; i < x->nr_tasks; i++)
		same &= same_text(x, x->tasks[i].comment, y, y->tasks[i].comment) &&
			same_text(x, x->tasks[i].tail, y, y->tasks[i].tail) &&
			strcmp(x->tasks[i].name, y->tasks[i].name) == 0;
	for (unsigned int i = 0; i < x->nr_rings; i++)
		same &= same_text(x, x->rings[i].tail, y, y->rings[i].tail) &&
			strcmp(x->rings[i].name, y->rings[i].name) == 0;
	for (unsigned int i = 0; i < x->nr_objs; i++)
		same &= same_text(x, x->objs[i].comment, y, y->objs[i].comment) &&
			strcmp(x->objs[i].name, y->objs[i].name) == 0;
	for (unsigned int i = 0; i < x->nr_steps; i++)
		same &= same_text(x, x->steps[i].comment, y, y->steps[i].comment) &&
			same_text(x, x->steps[i].tail, y, y->steps[i].tail) &&
			same_expect(&x->steps[i].expect, &y->steps[i].expect);
	for (unsigned int i = 0; i < x->nr_reqs; i++)
		same &= same_text(x, x->reqs[i].comment, y, y->reqs[i].comment) &&
			same_text(x, x->reqs[i].tail, y, y->reqs[i].tail) &&
			same_expect(&x->reqs[i].expect, &y->reqs[i].expect) &&
			strcmp(x->reqs[i].name, y->reqs[i].name) == 0;
	return same;
}

static void test_round_trips(void)
{
	struct generate_options opt;
	const char *why = NULL;

	generate_options_init(&opt);
	opt.weight[GEN_DRAIN] = opt.weight[GEN_SKIP] = 50;
	for (unsigned int seed = 0; seed < 10000; seed++) {
		struct prng p = prng_seed(seed);

		opt.size = seed % 50 ? 12 : STREAM_MAX_REQS;
		opt.max_tasks = seed % 50 ? 2 : STREAM_MAX_TASKS;
		stream_generate(seed, &opt, &a);
		decorate(&a, &p);
		if (!CHECK_OP(stream_check(&a, &why), ==, 0)) {
			printf("seed %u: %s\n", seed, why);
			return;
		}
		print(&a, buf);
		if (!parse(buf, &b) || !CHECK(stream_same(&a, &b)) || !CHECK(same_rest(&a, &b))) {
			printf("seed %u:\n%s", seed, buf);
			return;
		}
		print(&b, buf2);
		if (!CHECK(strcmp(buf, buf2) == 0))
			return;
	}
}

/* Broken text is refused or read, and what is read prints to something that reads the same. */
static void test_broken_text(void)
{
	struct prng p = prng_seed(7);

	for (unsigned int i = 0; i < 20000; i++) {
		struct diag d;
		size_t len;

		stream_generate(i, NULL, &a);
		decorate(&a, &p);
		len = print(&a, buf);
		for (unsigned int k = prng_below(&p, 4); k > 0; k--) {
			size_t at = prng_below(&p, (uint32_t)len), from = prng_below(&p, (uint32_t)len);
			size_t n = prng_below(&p, 12);

			if (prng_chance(&p, 1, 2))
				buf[at] = (char)prng_below(&p, 256);
			else if (at + n < len && from + n < len)
				memmove(buf + at, buf + from, n);
		}
		if (prng_chance(&p, 1, 10))
			len = prng_below(&p, (uint32_t)len);
		diag_init(&d, "broken");
		if (stream_parse(buf, len, &b, &d)) {
			CHECK_OP(d.count, >, 0u);
			CHECK_OP(b.nr_reqs, ==, 0);
			continue;
		}
		if (!CHECK_OP(stream_check(&b, NULL), ==, 0))
			return;
		len = print(&b, buf);
		if (!parse(buf, &a) || !CHECK(stream_same(&a, &b)))
			return;
		print(&a, buf2);
		if (!CHECK(strcmp(buf, buf2) == 0)) {
			printf("%s---\n%s", buf, buf2);
			return;
		}
	}
}

#define HEAD "augur 1\nring r entries=4\npipe p\neventfd e\nfile f\n" /* five lines */
#define SUB HEAD "submit r\n" /* six */

static const struct bad {
	const char *text;
	unsigned int line, col;
	const char *says;
} bad[] = {
	{ "", 1, 1, "found nothing, expected `augur 1` first" },
	{ "# only this\n", 1, 1, "found nothing" },
	{ "ring r entries=4\n", 1, 1, "expected `augur 1` first" },
	{ "augur 2\n", 1, 7, "version 2 of the language is not known, expected 1" },
	{ "augur x\n", 1, 7, "found 'x' for the version, expected a number" },
	{ "augur 1 1\n", 1, 9, "expected the end of the line" },
	{ "augur 1\n\x01\n", 2, 1, "control character 0x01" },
	{ "augur 1\n# a\x1b[31m\n", 2, 4, "control character 0x1b" },
	{ "augur 1\nqueue r\n", 2, 1, "found 'queue', expected task, ring, pipe" },
	{ "augur 1\n  -> 5\n", 2, 3, "an expectation stands behind" },
	{ "augur 1\ntask\n", 2, 5, "expected the name of the task" },
	{ "augur 1\ntask T2\n", 2, 6, "'T2' is no name" },
	{ "augur 1\ntask t-2\n", 2, 7, "'t-2' is no name" },
	{ "augur 1\ntask main\n", 2, 1, "two tasks have this name" },
	{ "augur 1\ntask t2 -> 0\n", 2, 9, "only requests and steps have an expectation" },
	{ "augur 1\ntask abcdefghijklmnop\n", 2, 6, "has 16 characters, expected 1 to 15" },
	{ "augur 1\ntask a\ntask b\ntask c\ntask d\n", 5, 1, "a stream has at most 4 tasks" },
	{ "augur 1\nring r\n", 2, 7, "expected entries=N" },
	{ "augur 1\nring r entries=4294967296\n", 2, 16, "4294967296 is too large for entries: at most 4294967295" },
	{ "augur 1\nring r entries=99999999999999999999999\n", 2, 16, "too large for entries" },
	{ "augur 1\nring r entries=-1\n", 2, 16, "found '-1' for entries, expected a number" },
	{ "augur 1\nring r entries=4 cq=0\n", 2, 21, "expected at least 1 for cq" },
	{ "augur 1\nring r entries=4 entries=4\n", 2, 18, "entries= is given twice" },
	{ "augur 1\nring r entries=4 size=4\n", 2, 18, "did not expect 'size=' here" },
	{ "augur 1\nring r entries=4 flags=clamp|sqpol\n", 2, 30, "found 'sqpol' for flags, expected single_issuer" },
	{ "augur 1\nring r entries=4 flags=clamp|clamp\n", 2, 30, "clamp is given twice" },
	{ "augur 1\nring r entries=4 task=t9\n", 2, 23, "no task is called 't9'" },
	{ "augur 1\nring none entries=4\n", 2, 6, "`none` is no name" },
	{ "augur 1\nring r entries=4\nring r entries=4\n", 3, 1, "two rings have this name" },
	{ "augur 1\nring r entries=4\npipe r\n", 3, 1, "a ring and an object have this name" },
	{ "augur 1\npipe p capacity=1048577\n", 2, 17, "1048577 is too large for capacity: at most 1048576" },
	{ "augur 1\npipe p semaphore\n", 2, 1, "objects of this kind do not have this flag" },
	{ "augur 1\nfile f size=0x100001\n", 2, 13, "too large for size: at most 1048576" },
	{ "augur 1\nfile f nonblock\n", 2, 8, "did not expect 'nonblock' here" },
	{ "augur 1\neventfd e count=0xffffffffffffffff\n", 2, 17, "too large for count" },
	{ "augur 1\neventfd e nonblock nonblock\n", 2, 20, "'nonblock' is given twice" },
	{ HEAD "reap r\npipe q\n", 7, 1, "objects are declared before the first step" },
	{ HEAD "submit s\n", 6, 8, "no ring is called 's'" },
	{ HEAD "submit\n", 6, 7, "expected the name of a ring" },
	{ HEAD "submit r wait=129\n", 6, 15, "129 is too large for wait: at most 128" },
	{ HEAD "submit r -> none\n", 6, 1, "a call always returns" },
	{ HEAD "wait r\n", 6, 7, "expected how many CQEs" },
	{ HEAD "wait r x\n", 6, 8, "found 'x' for wait" },
	{ HEAD "peek r now\n", 6, 8, "did not expect 'now' here" },
	{ HEAD "write p.out len=8\n", 6, 1, "a pipe is written at its end `in`" },
	{ HEAD "write p len=8\n", 6, 7, "'p' is no end of a pipe, expected p.out or p.in" },
	{ HEAD "write p.up len=8\n", 6, 7, "'p.up' is no end of a pipe" },
	{ HEAD "write p.in\n", 6, 11, "expected len=N" },
	{ HEAD "write p.in len=9999999\n", 6, 16, "9999999 is too large for len: at most 1048576" },
	{ HEAD "write e\n", 6, 8, "expected value=N" },
	{ HEAD "write e value=1 len=4\n", 6, 1, "an eventfd is read and written 8 bytes at a time" },
	{ HEAD "write e.in value=1\n", 6, 8, "e has one descriptor" },
	{ HEAD "read e value=1\n", 6, 14, "only what is written to an eventfd has a value" },
	{ HEAD "write f len=1\n", 6, 1, "only pipes and eventfds are read and written directly" },
	{ HEAD "write q len=1\n", 6, 7, "no object is called 'q'" },
	{ HEAD "close none\n", 6, 7, "`none` cannot be closed" },
	{ HEAD "close\n", 6, 6, "expected a descriptor or a ring" },
	{ HEAD "close p.in\nclose p.in\n", 7, 1, "the descriptor is closed by then" },
	{ HEAD "close r\nreap r\n", 7, 1, "the ring is closed by then" },
	{ HEAD "max_workers\n", 6, 12, "expected the name of a ring" },
	{ HEAD "max_workers q\n", 6, 13, "no ring is called 'q'" },
	{ HEAD "max_workers r bounded=4294967296\n", 6, 23, "too large for bounded" },
	{ HEAD "max_workers r bounded=1 bounded=1\n", 6, 25, "bounded= is given twice" },
	{ HEAD "max_workers r cpus=1\n", 6, 15, "did not expect 'cpus=' here" },
	{ HEAD "iowq_aff r\n", 6, 11, "expected either cpus=MASK or none" },
	{ HEAD "iowq_aff r cpus=1 none\n", 6, 12, "expected either cpus=MASK or none" },
	{ HEAD "iowq_aff r all\n", 6, 12, "did not expect 'all' here" },
	{ HEAD "exit\n", 6, 5, "expected `exit thread` or `exit process`" },
	{ HEAD "exit now\n", 6, 6, "expected `exit thread` or `exit process`" },
	{ HEAD "exit thread\nreap r\n", 7, 1, "the task has exited by then" },
	{ HEAD "exit process\nreap r\n", 7, 1, "nothing can follow `exit process`" },
	{ HEAD "a: nop\n", 6, 1, "a request stands below the `submit`" },
	{ HEAD "submit r\nreap r\n  a: nop\n", 8, 3, "a request stands below the `submit`" },
	{ SUB "  a:nop\n", 7, 5, "expected a blank behind the ':'" },
	{ SUB "  a:\n", 7, 5, "expected an operation, one of nop read write" },
	{ SUB "  a: nopp\n", 7, 6, "no operation is called 'nopp', expected one of nop read" },
	{ SUB "  a: nop\n  a: nop\n", 8, 3, "two requests have this name" },
	{ SUB "  a: nop lnk\n", 7, 10, "found 'lnk', expected a flag of nop: async, link" },
	{ SUB "  a: nop link async link\n", 7, 21, "link is given twice" },
	{ SUB "  a: nop fd=e\n", 7, 10, "nop takes no 'fd=', expected only flags" },
	{ SUB "  a: read len=8\n", 7, 16, "read needs fd=" },
	{ SUB "  a: read fd=p.out  async\n", 7, 26, "read needs len=" },
	{ SUB "  a: read fd=p.out len=1048577\n", 7, 24, "1048577 is too large for len: at most 1048576" },
	{ SUB "  a: read fd=p.out len=8 off=0\n", 7, 30, "off= is only for a request on a file" },
	{ SUB "  a: read fd=f len=8 off=-2\n", 7, 26, "found '-2' for off" },
	{ SUB "  a: write fd=p.in len=8 value=1\n", 7, 32, "value= is only for a request on an eventfd" },
	{ SUB "  a: write fd=e\n", 7, 16, "write needs value=" },
	{ SUB "  a: write fd=e value=18446744073709551616\n", 7, 23, "too large for value" },
	{ SUB "  a: write fd=f len=1048576 off=1\n", 7, 3, "the file could grow past 1048576 bytes" },
	{ SUB "  a: poll_add fd=e\n", 7, 19, "poll_add needs events=" },
	{ SUB "  a: poll_add fd=e events=\n", 7, 27, "found '' for events, expected in, pri" },
	{ SUB "  a: poll_add fd=e events=in|ou\n", 7, 30,
	  "found 'ou' for events, expected in, pri, out, err, hup or rdhup" },
	{ SUB "  a: timeout ts=5\n", 7, 17, "found '5', expected a time: 0, a number with ns, us, ms or s, or never" },
	{ SUB "  a: timeout ts=5m\n", 7, 17, "expected a time" },
	{ SUB "  a: timeout ts=us\n", 7, 17, "expected a time" },
	{ SUB "  a: timeout ts=360001s\n", 7, 17, "360001s is too long: at most 360000s, which is `never`" },
	{ SUB "  a: timeout ts=99999999999999999999s\n", 7, 17, "is too long" },
	{ SUB "  a: timeout ts=1us count=0x100000000\n", 7, 27, "too large for count" },
	{ SUB "  a: cancel\n", 7, 12, "cancel needs target=, fd=, op= or any" },
	{ SUB "  a: cancel target=z\n", 7, 20, "no request is called 'z'" },
	{ SUB "  a: cancel any target=a\n", 7, 24, "`any` takes no target=" },
	{ SUB "  a: cancel op=nop target=a\n", 7, 27, "target= beside fd= or op= needs `userdata`" },
	{ SUB "  a: cancel op=nop userdata\n", 7, 28, "`userdata` needs target=" },
	{ SUB "  a: cancel op=noop\n", 7, 16, "no operation is called 'noop'" },
	{ SUB "  a: timeout_remove\n", 7, 20, "timeout_remove needs target=" },
	{ SUB "  a: nop -> \n", 7, 13, "found '', expected a result" },
	{ SUB "  a: nop -> -EFOO\n", 7, 13, "found '-EFOO', expected a result" },
	{ SUB "  a: nop -> 0 |\n", 7, 16, "found '', expected a result" },
	{ SUB "  a: nop -> 0 1\n", 7, 15, "found more behind the expectation" },
	{ SUB "  a: nop -> 0 -> 1\n", 7, 15, "found more behind the expectation" },
	{ SUB "  a: nop -> 8..1\n", 7, 13, "this range ends before it begins" },
	{ SUB "  a: nop -> 2147483648\n", 7, 13, "too large for a result: at most 2147483647" },
	{ SUB "  a: nop -> 1|2|3|4|5|6|7\n", 7, 25, "more than 6 alternatives" },
	{ SUB "  a: nop\n  b: nop\n  c: nop\n  d: nop\n  e: nop\n", 6, 1,
	  "more requests than the ring has SQ entries" },
	{ "augur 1\nschedule\n", 2, 9, "expected `schedule walk seed=N` or `schedule replay HEX`" },
	{ "augur 1\nschedule walk\n", 2, 14, "expected seed=N" },
	{ "augur 1\nschedule replay 012\n", 2, 19, "two digits" },
	{ "augur 1\nschedule replay 0g\n", 2, 17, "two digits" },
	{ "augur 1\nschedule walk seed=1\nschedule walk seed=1\n", 3, 10, "only `schedule replay` has several lines" },
	{ "augur 1\nschedule replay 00 11\n", 2, 20, "expected the end of the line" },
};

static void test_errors(void)
{
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct diag d;

		diag_init(&d, "bad");
		CHECK_OP(stream_parse(bad[i].text, strlen(bad[i].text), &a, &d), ==, -22);
		if (CHECK_OP(d.count, ==, 1u) && CHECK_OP(d.at[0].line, ==, bad[i].line) &&
		    CHECK_OP(d.at[0].col, ==, bad[i].col) && CHECK(strstr(d.at[0].text, bad[i].says) != NULL))
			continue;
		printf("in \"%s\"\n", bad[i].text);
		diag_print(&d, stdout);
	}
}

static void test_all_errors_at_once(void)
{
	struct diag d;
	static const char text[] = "augur 1\nring r entries=x\nsubmit r\n a: nop zip fd=3\n b: cancel target=no\nfoo\n";
	static const unsigned int lines[] = { 2, 4, 4, 5, 6 };

	diag_init(&d, "many");
	CHECK_OP(stream_parse(text, sizeof(text) - 1, &a, &d), ==, -22);
	if (!CHECK_OP(d.count, ==, 5u)) {
		diag_print(&d, stdout);
		return;
	}
	for (unsigned int i = 0; i < 5; i++)
		CHECK_OP(d.at[i].line, ==, lines[i]);
}

/* Counts that no memory is made for. */
static void test_absurd_sizes(void)
{
	static char text[STREAM_MAX_TEXT + 1];
	struct diag d;
	size_t n;

	memset(text, '\n', sizeof(text));
	diag_init(&d, "long");
	CHECK_OP(stream_parse(text, sizeof(text), &a, &d), ==, -22);
	CHECK(strstr(d.at[0].text, "has 262145 bytes: at most 262144") != NULL);
	/* Comments past the pool: one error, however many lines. */
	n = (size_t)sprintf(text, "augur 1\n");
	for (unsigned int i = 0; i < 300; i++)
		n += (size_t)sprintf(text + n, "# %0100u\n", i);
	diag_init(&d, "comments");
	CHECK_OP(stream_parse(text, n, &a, &d), ==, -22);
	CHECK_OP(d.count, ==, 1u);
	CHECK(strstr(d.at[0].text, "more than 16384 bytes") != NULL);
	/* Requests, steps and objects past their number: one error each. */
	n = (size_t)sprintf(text, "augur 1\nring r entries=256\n");
	for (unsigned int i = 0; i < 18; i++)
		n += (size_t)sprintf(text + n, "pipe p%u\n", i);
	n += (size_t)sprintf(text + n, "submit r\n");
	for (unsigned int i = 0; i < 130; i++)
		n += (size_t)sprintf(text + n, "a%u: nop\n", i);
	for (unsigned int i = 0; i < 121; i++)
		n += (size_t)sprintf(text + n, "reap r\n");
	diag_init(&d, "many");
	CHECK_OP(stream_parse(text, n, &a, &d), ==, -22);
	CHECK_OP(d.count, ==, 2u + 2 + 2);
	CHECK(strstr(d.at[0].text, "at most 16 objects") != NULL);
	CHECK(strstr(d.at[2].text, "at most 128 requests") != NULL);
	CHECK(strstr(d.at[4].text, "at most 120 steps") != NULL);
}

/* Models that no parser made. */
static void test_check(void)
{
	const char *why = NULL;

	stream_generate(3, NULL, &a);
	CHECK_OP(stream_check(&a, &why), ==, 0);
	b = a;
	b.steps[0].nr_reqs++;
	CHECK_OP(stream_check(&b, &why), ==, -22);
	b = a;
	b.reqs[0].ts = 1;
	CHECK_OP(stream_check(&b, &why), ==, -22);
	CHECK_STR(why, "a field is set that the operation does not take");
	b = a;
	b.reqs[0].fd.obj = 200;
	CHECK_OP(stream_check(&b, &why), ==, -22);
	b = a;
	b.rings[0].task = 3;
	CHECK_OP(stream_check(&b, &why), ==, -22);
	b = a;
	b.steps[0].comment = 17;
	CHECK_OP(stream_check(&b, &why), ==, -22);
	b = a;
	b.nr_reqs = 200;
	CHECK_OP(stream_check(&b, &why), ==, -22);
}

static void test_chains(void)
{
	if (!parse(SUB " a: nop link\n b: nop hardlink\n c: nop\n d: nop link\nsubmit r\n e: nop link\n f: nop\n", &a))
		return;
	CHECK_OP(stream_chain_first(&a, 2), ==, 0u);
	CHECK_OP(stream_chain_last(&a, 0), ==, 2u);
	/* A batch cuts a chain. */
	CHECK_OP(stream_chain_last(&a, 3), ==, 3u);
	CHECK_OP(stream_chain_first(&a, 4), ==, 4u);
	CHECK_OP(stream_chain_last(&a, 4), ==, 5u);
	CHECK_OP(stream_step_of(&a, 3), ==, 0u);
	CHECK_OP(stream_step_of(&a, 4), ==, 1u);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_everything),
	CHECK_TEST(test_free_form),
	CHECK_TEST(test_schedules),
	CHECK_TEST(test_round_trips),
	CHECK_TEST(test_broken_text),
	CHECK_TEST(test_errors),
	CHECK_TEST(test_all_errors_at_once),
	CHECK_TEST(test_absurd_sizes),
	CHECK_TEST(test_check),
	CHECK_TEST(test_chains),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
