/* What a ring owes: cases with their answer, and bounds that hold for every stream. */
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "stream/generate.h"
#include "stream/owed.h"
#include "stream/parse.h"

static struct stream s;

#define HEAD                                                                                                           \
	"augur 1\ntask t2\nring r entries=8\nring d flags=single_issuer|defer_taskrun entries=8\n"                     \
	"ring all flags=submit_all entries=8\nring bad flags=defer_taskrun entries=8\n"                                \
	"pipe p\npipe o\neventfd e\neventfd m semaphore\neventfd x count=0xfffffffffffffffe\nfile f size=100\n"

/* How many CQEs the last step's ring owes when it is `wait RING 0`. */
static const struct {
	const char *steps;
	unsigned int owed;
} cases[] = {
	{ "wait r 0", 0 },
	{ "submit r\na: nop\nb: nop async\nwait r 0", 2 },
	{ "submit r\na: nop\nb: nop\nwait r 1\nwait r 0", 1 },
	{ "submit r wait=2\na: nop\nb: nop\nwait r 0", 0 },
	{ "submit r\na: nop\nb: nop\npeek r\nreap r\nwait r 0", 2 },
	{ "submit r\na: nop\nwait d 0", 0 },
	{ "submit bad\na: nop\nwait bad 0", 0 },
	/* timers */
	{ "submit r\na: timeout ts=50us\nb: timeout ts=20ms\nc: timeout ts=21ms\nd: timeout ts=never\nwait r 0", 2 },
	{ "submit r\na: timeout ts=never count=1\nb: nop\nwait r 0", 1 },
	{ "submit r\na: timeout ts=0 link\nb: nop\nwait r 0", 2 },
	{ "submit r\na: timeout ts=never link\nb: link_timeout ts=1us link\nc: nop\nwait r 0", 3 },
	{ "submit r\na: timeout ts=never async link\nb: link_timeout ts=1us\nwait r 0", 0 },
	{ "submit r\na: read fd=p.out len=8 link\nb: link_timeout ts=1us\nwait r 0", 2 },
	{ "submit r\na: read fd=p.out len=8 link\nb: link_timeout ts=never\nwait r 0", 0 },
	{ "submit r\na: nop link\nb: read fd=p.out len=8 link\nc: link_timeout ts=1us\nwait r 0", 1 },
	/* limits of io-wq: whoever waits in the only worker holds up the others */
	{ "max_workers r bounded=1\nsubmit r\na: nop async\nb: nop\nwait r 0", 2 },
	{ "submit r\na: splice fd=o.in in=p.out len=1\nb: nop async\nc: nop\nwait r 0", 2 },
	{ "max_workers r unbounded=1\nsubmit r\na: splice fd=o.in in=p.out len=1\nb: nop async\nc: nop\nwait r 0", 1 },
	{ "max_workers r\nsubmit r\na: splice fd=o.in in=p.out len=1\nb: nop async\nwait r 0", 1 },
	/* pipes */
	{ "submit r\na: read fd=p.out len=8\nwait r 0", 0 },
	{ "submit r\na: read fd=p.out len=0\nwait r 0", 1 },
	{ "submit r\na: read fd=p.out len=8\nwrite p.in len=1\nwait r 0", 1 },
	{ "submit r\na: read fd=p.out len=8\nb: read fd=p.out len=8\nwrite p.in len=8\nwait r 0", 0 },
	{ "submit r\na: read fd=p.out len=8\nb: read fd=p.out len=8\nwrite p.in len=9\nwait r 0", 2 },
	{ "submit r\na: read fd=p.out len=8\nwrite p.in len=8\nread p.out len=8\nwait r 0", 0 },
	{ "submit r\na: write fd=p.in len=4096\nb: read fd=p.out len=8\nwait r 0", 2 },
	{ "submit r\na: write fd=p.in len=4097\nb: read fd=p.out len=8\nwait r 0", 0 },
	{ "submit r\na: write fd=p.in len=8\nb: read fd=p.out len=8\nc: cancel target=a\nwait r 0", 2 },
	{ "submit r\na: read fd=p.in len=8\nb: write fd=p.out len=8\nc: read fd=none len=8\nwait r 0", 3 },
	{ "submit r\na: write fd=p.in len=8\nclose p.out\nwait r 0", 0 },
	{ "submit r\na: read fd=p.out len=8 nowait\nwait r 0", 0 },
	/* eventfds */
	{ "submit r\na: read fd=e\nwait r 0", 0 },
	{ "submit r\na: read fd=e\nwrite e value=1\nwait r 0", 1 },
	{ "submit r\na: read fd=e\nb: read fd=e\nwrite e value=2\nwait r 0", 0 },
	{ "submit r\na: read fd=m\nb: read fd=m\nwrite m value=2\nwait r 0", 2 },
	{ "submit r\na: read fd=m\nb: read fd=m\nwrite m value=1\nwait r 0", 0 },
	{ "submit r\na: read fd=e len=4\nb: write fd=e value=1\nwait r 0", 2 },
	{ "submit r\na: write fd=x value=0\nb: write fd=x value=0xffffffffffffffff\nwait r 0", 0 },
	/* A write on a ring that only runs when it is waited on. */
	{ "submit d\na: write fd=e value=1\nsubmit r\nb: read fd=e\nwait r 0", 0 },
	{ "submit d\na: write fd=e value=1\nb: read fd=e\nwait d 0", 2 },
	{ "submit all\na: write fd=e value=1\nsubmit r\nb: read fd=e\nclose all\nwait r 0", 0 },
	/* polls and files */
	{ "submit r\na: poll_add fd=f events=in\nb: poll_add fd=none events=in\n"
	  "c: poll_add fd=p.in events=out\nwait r 0",
	  3 },
	{ "submit r\na: poll_add fd=p.out events=in\nb: poll_add fd=e events=in\nc: poll_add fd=e events=out\nwait r 0",
	  1 },
	{ "submit r\na: poll_add fd=p.out events=in\nwrite p.in len=1\nwait r 0", 1 },
	{ "submit r\na: poll_add fd=p.in events=out\nwrite p.in len=1\nwait r 0", 0 },
	{ "submit r\na: read fd=f len=9\nb: write fd=f len=9 async\nwait r 0", 2 },
	/* chains */
	{ "submit r\na: nop link\nb: read fd=p.out len=8 link\nc: nop\nwait r 0", 1 },
	{ "submit r\na: read fd=none len=8 link\nb: read fd=p.out len=8 link\nc: timeout ts=never\nwait r 0", 3 },
	{ "submit r\na: read fd=none len=8 hardlink\nb: read fd=p.out len=8 link\nc: nop\nwait r 0", 1 },
	{ "submit r\na: read fd=p.out len=8 link\nb: link_timeout ts=1us link\nc: link_timeout ts=1us\nwait r 0", 3 },
	/* A worker that runs a chain may stay in its second member, and others wait for a worker. */
	{ "submit r\na: nop async link\nb: read fd=p.out len=8\nc: nop async\nd: nop\nwait r 0", 1 },
	{ "submit d\na: nop\nsubmit r\nb: nop async link\nc: read fd=p.out len=8\nwait d 0", 1 },
	/* what a batch stops at */
	{ "submit r\na: nop\nb: link_timeout ts=0\nc: nop\nwait r 0", 2 },
	{ "submit all\na: nop\nb: link_timeout ts=0\nc: nop\nwait all 0", 3 },
	{ "submit r\na: timeout ts=0 boottime realtime link\nb: nop\nc: nop\nwait r 0", 3 },
	{ "submit r\na: nop link\nb: timeout ts=0 boottime realtime\nc: nop\nwait r 0", 2 },
	{ "submit r\na: cancel any fd=none\nb: nop\nwait r 0", 1 },
	/* drain, skip, exits */
	{ "submit r\na: nop\nb: nop drain\nc: nop\nwait r 0", 1 },
	{ "submit r\na: nop\nb: nop skip\nwait r 0", 1 },
	{ "submit r task=t2\na: nop async\nexit thread task=t2\nwait r 0", 0 },
	{ "submit d task=t2\na: nop\nwait d 0", 0 },
};

static bool load(const char *steps)
{
	static char text[4096];
	struct diag d;

	snprintf(text, sizeof(text), HEAD "%s\n", steps);
	diag_init(&d, "case");
	if (stream_parse(text, strlen(text), &s, &d) == 0)
		return true;
	diag_print(&d, stdout);
	return CHECK(!"the case parses");
}

static void test_cases(void)
{
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned int last;

		if (!load(cases[i].steps))
			continue;
		last = s.nr_steps - 1u;
		if (!CHECK_OP(stream_owed(&s, last, s.steps[last].ring), ==, cases[i].owed))
			printf("... in \"%s\"\n", cases[i].steps);
	}
}

/* A submit that waits may count its own requests. */
static void test_submit(void)
{
	if (!load("submit r\na: nop\nsubmit r wait=2\nb: nop\nc: read fd=p.out len=8\nwait r 0"))
		return;
	CHECK_OP(stream_owed(&s, 0, 0), ==, 1u);
	CHECK_OP(stream_owed(&s, 1, 0), ==, 2u);
	CHECK_OP(stream_owed(&s, 2, 0), ==, 0u);
}

/* Never more than there are requests, never for what plainly waits, and nothing is forgotten when time goes on. */
static void test_bounds(void)
{
	unsigned long owed = 0, reqs = 0;

	for (unsigned int seed = 0; seed < 5000; seed++) {
		stream_generate(seed, NULL, &s);
		for (unsigned int ring = 0; ring < s.nr_rings; ring++) {
			unsigned int submitted = 0;

			for (unsigned int i = 0; i < s.nr_steps; i++) {
				const struct step *t = &s.steps[i];

				if (t->kind == STEP_SUBMIT && t->ring == ring)
					submitted += t->nr_reqs;
				CHECK_OP(stream_owed(&s, i, ring), <=, submitted);
				if (t->kind == STEP_CLOSE_RING && t->ring == ring)
					CHECK_OP(stream_owed(&s, i + 1, ring), ==, 0u);
			}
		}
		for (unsigned int i = 0; i < s.nr_steps; i++)
			owed += s.steps[i].wait_nr;
		reqs += s.nr_reqs;
	}
	/* It is of use: a fair part of all requests is waited for. */
	CHECK_OP(owed * 100, >, reqs * 30);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_cases),
	CHECK_TEST(test_submit),
	CHECK_TEST(test_bounds),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
