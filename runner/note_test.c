#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "runner/run.h"

static uint64_t clock_ns;

static uint64_t fake_now(void)
{
	return clock_ns += 10;
}

static const struct backend fake = { .now = fake_now };
static struct record record;
static struct stream stream;
static struct run run;

static void setup(void)
{
	memset(&run, 0, sizeof(run));
	stream_init(&stream);
	record.nr = 0;
	run.be = &fake;
	run.s = &stream;
	run.rec = &record;
	run.step = REC_NO_STEP;
	stream.nr_objs = 2;
	stream.objs[0].kind = OBJ_PIPE;
	stream.objs[1].kind = OBJ_EVENTFD;
}

/* A full record says so once, and leaves room for those who watch the hand. */
static void test_full(void)
{
	setup();
	for (unsigned int i = 0; i < 2 * RECORD_MAX_EVENTS; i++)
		note_phase(&run, PHASE_DRAIN, 0);
	CHECK_OP(record.nr, <, (uint32_t)RECORD_MAX_EVENTS);
	CHECK_OP(record.nr, >, (uint32_t)RECORD_MAX_EVENTS - 10);
	for (unsigned int i = 0; i + 1 < record.nr; i++)
		CHECK_OP(record.ev[i].kind, ==, REC_EPILOGUE);
	CHECK_OP(record.ev[record.nr - 1].kind, ==, REC_HAND);
	CHECK_OP(record.ev[record.nr - 1].flags, ==, (uint32_t)HAND_FULL);
}

static void test_runs(void)
{
	char buf[100];

	setup();
	memset(buf, 1, 37);
	memset(buf + 37, 2, 1);
	memset(buf + 38, 1, 62);
	note_data(&run, 5, 0, buf, sizeof(buf));
	CHECK_OP(record.nr, ==, 3u);
	CHECK_OP(record.ev[0].a, ==, 37u);
	CHECK_OP(record.ev[1].a, ==, 1u);
	CHECK_OP(record.ev[1].flags, ==, 2u);
	CHECK_OP(record.ev[2].a, ==, 62u);
	CHECK_OP(record.ev[2].req, ==, 5);
	for (size_t n = 1; n <= sizeof(buf); n++)
		CHECK_OP(note_run_length(buf, n), ==, n < 37 ? n : (size_t)37);
}

static void test_count(void)
{
	const uint64_t count = 0xfffffffffffffffeull;

	setup();
	note_data(&run, 5, 1, (const char *)&count, sizeof(count));
	CHECK_OP(record.nr, ==, 1u);
	CHECK_OP(record.ev[0].flags, ==, 8u);
	CHECK_OP(record.ev[0].a, ==, count);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_full),
	CHECK_TEST(test_runs),
	CHECK_TEST(test_count),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
