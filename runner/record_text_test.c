#include "runner/record_text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stream/parse.h"

static const char stream_text[] = "augur 1\n"
				  "ring r entries=8\n"
				  "pipe p\n"
				  "eventfd e count=3\n"
				  "submit r\n"
				  "  a: read fd=p.out len=8\n"
				  "  b: nop\n"
				  "wait r 2\n"
				  "write p.in len=4\n";

static struct stream stream, parsed_stream;
static struct record record, parsed;
static char buf[RECORD_TEXT_CAP], changed[RECORD_TEXT_CAP];
static struct text text;

enum { N = STREAM_NONE, NS = REC_NO_STEP, NR = REC_NO_REQ };

static const struct rec_event events[] = {
	/* kind, task, ring, obj, step, req, stamp, a, res, flags, head, tail before, after */
	{ REC_OBJ, N, N, 0, NS, NR, 0, 0, 0, 0, 0, 0, 0 },
	{ REC_RING, 0, 0, N, NS, NR, 1000, 8ull << 32 | 16, 0, 0, 0, 0, 0 },
	{ REC_BEGIN, 0, 0, N, 0, NR, 2000, 2, 0, 0, 0, 0, 0 },
	{ REC_END, 0, 0, N, 0, NR, 3000, 0, 2, 0, 2, 0, 1 },
	{ REC_CQE, 0, 0, N, 1, 0, 4000, 1, -ECANCELED, 2, UINT32_MAX, 1, 2 },
	{ REC_CQE, 0, 0, N, NS, NR, 5000, REC_UD_CANCEL + 3, INT64_MIN, 0, 0, 0, 0 },
	{ REC_DATA, 0, N, 0, NS, 0, 6000, 4, 0, TOKEN_STEP + 2, 0, 0, 0 },
	{ REC_BOUND, N, 0, N, 1, NR, 7000, UINT64_MAX, 0, 0, 0, 0, 0 },
	{ REC_EPILOGUE, N, N, N, NS, NR, 8000, PHASE_CLOSE, 0, 0, 0, 0, 0 },
	{ REC_FINAL, N, N, 0, NS, NR, 9000, 4, 0, FINAL_READERS | FINAL_UNSEEN, 0, 0, 0 },
	{ REC_RUN, N, N, 0, NS, NR, 9000, 4, 0, REC_BYTE_RELEASE, 0, 0, 0 },
	{ REC_EXIT, 0, N, N, 2, NR, 9000, 0, 11, 0, 0, 0, 0 },
	{ REC_HAND, N, N, N, NS, NR, 9000, 9, 0, HAND_KILLED, 0, 0, 0 },
	{ REC_HOST, N, N, N, NS, NR, 9000, 1000, 2, HOST_LIMITS, 0, 0, 0 },
	{ REC_TRACE, N, N, N, NS, 0, 9000, 0, -ECANCELED, TRACE_ENDED, 0, 0, 0 },
	{ REC_SIM, N, N, N, NS, NR, UINT64_MAX, 0x1234, 77, SIM_QUIESCENT, 0, 0, 0 },
};

static bool make(void)
{
	struct diag d;

	diag_init(&d, "test");
	if (!CHECK_OP(stream_parse(stream_text, strlen(stream_text), &stream, &d), ==, 0)) {
		diag_print(&d, stdout);
		return false;
	}
	record = (struct record){ .version = RECORD_VERSION,
				  .runner = RUNNER_KERNEL,
				  .release = "6.18.44-x",
				  .fs = "tmpfs",
				  .flags = RECF_FRESH | RECF_COMPLETE };
	memcpy(record.ev, events, sizeof(events));
	record.nr = sizeof(events) / sizeof(events[0]);
	return true;
}

static void print(void)
{
	text_init(&text, buf, sizeof(buf));
	record_print(&record, &stream, &text);
	CHECK(!text.cut);
}

static void test_round_trip(void)
{
	struct diag d;

	if (!make())
		return;
	print();
	diag_init(&d, "record");
	if (!CHECK_OP(record_parse(buf, text.len, &parsed, &parsed_stream, &d), ==, 0))
		diag_print(&d, stdout);
	CHECK(record_same(&record, &parsed));
	CHECK(stream_same(&stream, &parsed_stream));
	parsed.ev[4].flags ^= 1;
	CHECK(!record_same(&record, &parsed));
	parsed.ev[4].flags ^= 1;
	parsed.nr--;
	CHECK(!record_same(&record, &parsed));
}

/* Every prefix of a record is refused, and says where. */
static void test_cut(void)
{
	struct diag d;

	if (!make())
		return;
	print();
	for (size_t n = 0; n < text.len; n++) {
		diag_init(&d, "record");
		CHECK_OP(record_parse(buf, n, &parsed, &parsed_stream, &d), ==, -EINVAL);
		CHECK_OP(d.count, >=, 1u);
	}
	diag_init(&d, "record");
	buf[text.len] = '\n';
	CHECK_OP(record_parse(buf, text.len + 1, &parsed, &parsed_stream, &d), ==, -EINVAL);
}

/* A record with `from` replaced by `to` is refused with a message that contains `says`. */
static void refused(const char *from, const char *to, const char *says)
{
	char *at = strstr(buf, from);
	struct diag d;
	size_t before;

	if (!CHECK(at != NULL))
		return;
	before = (size_t)(at - buf);
	memcpy(changed, buf, before);
	strcpy(changed + before, to);
	strcat(changed, at + strlen(from));
	diag_init(&d, "record");
	CHECK_OP(record_parse(changed, strlen(changed), &parsed, &parsed_stream, &d), ==, -EINVAL);
	CHECK_OP(d.count, ==, 1u);
	if (d.count && !CHECK(strstr(d.at[0].text, says) != NULL))
		diag_print(&d, stdout);
}

static void test_refused(void)
{
	if (!make())
		return;
	print();
	refused("augur-record 1", "augur-record 2", "version 2");
	refused("augur-record 1", "augur 1", "expected `augur-record`");
	refused("runner kernel", "runner linux", "expected sim, engine or kernel");
	refused("flags fresh complete", "flags fresh fresh", "twice");
	refused("flags fresh complete", "flags frosh", "expected fresh");
	refused("  b: nop", "  b: nap", "nap");
	refused("stream 9", "stream 8", "");
	refused("events 16", "events 14", "expected `end`");
	refused("events 16", "events 4097", "up to 4096");
	refused("cqe 4000", "cqe 2999", "backwards");
	refused("cqe 4000", "kqe 4000", "no such kind");
	refused("cqe 4000 task=0", "cqe 4000 task=1", "no such task");
	refused("cqe 4000 task=0", "cqe 4000 task=0 task=0", "twice");
	refused("cqe 4000 task=0", "cqe 4000 tusk=0", "no such field");
	refused("req=0", "req=2", "no such request");
	refused("res=-125", "res=-9223372036854775809", "fits the field");
	refused("head=4294967295", "head=4294967296", "fits the field");
	refused("head=4294967295", "head=", "fits the field");
	refused("head=4294967295", "head=007", "fits the field");
	refused("head=4294967295", "head=1,", "expected a blank");
	/* What no event of its kind has. */
	refused("ring 1000 task=0 ring=0", "ring 1000 task=0", "needs a ring");
	refused("obj 0 obj=0", "obj 0", "needs an object");
	refused("run 9000 obj=0", "run 9000", "needs an object");
	refused("run 9000 obj=0 a=4 flags=254", "run 9000 obj=0 a=4 flags=256", "no byte");
	refused("final 9000 obj=0 a=4 flags=9", "final 9000 obj=0 a=4 flags=16", "no such flag");
	refused("epilogue 8000 a=4", "epilogue 8000 a=7", "no such phase");
	refused("hand 9000 a=9", "hand 9000 a=9 flags=4", "no such end");
	refused("flags=1\nend", "flags=3\nend", "no such end");
}

/* Sections stand once, and in their order. */
static void test_sections(void)
{
	if (!make())
		return;
	print();
	refused("runner kernel\n", "runner kernel\nrunner kernel\n", "expected `release`");
	refused("flags fresh complete\n", "flags fresh complete\nflags fresh\n", "expected `stream`");
	refused("stream 9\n", "stream 0\nstream 9\n", "");
	refused("events 16\n", "events 0\nevents 16\n", "expected `end`");
	refused("\nend\n", "\nend\nend\n", "nothing after `end`");
	refused("fs tmpfs\n", "", "expected `fs`");
	refused("augur-record 1\n", "augur-record 01\n", "expected a number");
	refused("release 6.18.44-x", "release 6.18.44-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "too long");
}

/* Events are found again in the text. */
static void test_event_line(void)
{
	const char *at = buf;

	if (!make())
		return;
	print();
	CHECK(record_marked(buf) && !record_marked("augur 1\n"));
	for (unsigned int i = 1; i < record_event_line(buf, 4); i++)
		at = strchr(at, '\n') + 1;
	CHECK(strncmp(at, "cqe 4000 ", 9) == 0);
}

static void test_table(void)
{
	if (!make())
		return;
	text_init(&text, buf, sizeof(buf));
	record_table(&record, &stream, &text);
	CHECK(!text.cut);
	CHECK(strstr(buf, "kernel 6.18.44-x, files on tmpfs, fresh, complete\n") == buf);
	CHECK(strstr(buf, "-ECANCELED") != NULL);
	CHECK(strstr(buf, "(cancel 3)") != NULL);
	CHECK(strstr(buf, "4 bytes of step 3") != NULL);
	CHECK(strstr(buf, "readers left") != NULL);
	CHECK(strstr(buf, "quiescent") != NULL);
}

static void test_json(void)
{
	unsigned int depth = 0, objects = 0;

	if (!make())
		return;
	text_init(&text, buf, sizeof(buf));
	record_print_json(&record, &stream, &text);
	for (size_t i = 0; i < text.len; i++) {
		depth += buf[i] == '{' || buf[i] == '[';
		objects += buf[i] == '{';
		depth -= buf[i] == '}' || buf[i] == ']';
	}
	CHECK_OP(depth, ==, 0u);
	CHECK_OP(objects, ==, record.nr + 1);
	CHECK(strstr(buf, "\"runner\":\"kernel\"") != NULL);
	CHECK(strstr(buf, "\"res\":-125") != NULL);
	CHECK(strstr(buf, "\"name\":\"a\"") != NULL);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_round_trip), CHECK_TEST(test_cut),   CHECK_TEST(test_refused), CHECK_TEST(test_sections),
	CHECK_TEST(test_event_line), CHECK_TEST(test_table), CHECK_TEST(test_json),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
