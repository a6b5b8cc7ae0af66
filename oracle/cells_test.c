/* Cells: small records, and the cells that they show; no others.
 *
 * A record is a script of words: b2 step 2 begins; e2=1@0-3 it returned 1, CQ tail 0 before and 3 after; a=-125 the next
 * CQE, of request a; E the epilogue begins; hand: the hand died, and the record stops. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/diag.h"
#include "oracle/cells.h"
#include "stream/parse.h"

#define HEAD "augur 1\nring r entries=8\npipe p\n"

enum { MAX_SHOWN = 6 };

struct shown {
	uint8_t op, state, event, result;
};

static const struct scene {
	const char *stream, *script;
	unsigned int nr;
	struct shown shown[MAX_SHOWN];
} scenes[] = {
	{ HEAD "submit r\n a: nop\n", "b0 e0=1@0-1 a=0 E", 1, { { SOP_NOP, CELL_READY, CELL_COMPLETE, CELL_OK } } },
	{ HEAD "submit r\n a: nop async\n",
	  "b0 e0=1@0-1 a=0 E",
	  1,
	  { { SOP_NOP, CELL_UNKNOWN, CELL_COMPLETE, CELL_OK } } },
	{ HEAD "submit r\n a: nop skip\n", "b0 e0=1@0-0 E", 1, { { SOP_NOP, CELL_UNKNOWN, CELL_COMPLETE, CELL_NONE } } },
	/* Of a record that stops, nothing is concluded from what is not there. */
	{ HEAD "submit r\n a: nop async\n", "b0 e0=1@0-0 hand", 0, { { 0 } } },
	/* results */
	{ HEAD "write p.in len=8\nsubmit r\n a: read fd=p.out len=8\n",
	  "b0 e0=8 b1 e1=1@0-1 a=3 E",
	  1,
	  { { SOP_READ, CELL_READY, CELL_COMPLETE, CELL_SHORT } } },
	{ HEAD "close p.in\nsubmit r\n a: read fd=p.out len=8\n",
	  "b0 e0=0 b1 e1=1@0-1 a=0 E",
	  1,
	  { { SOP_READ, CELL_READY, CELL_COMPLETE, CELL_ZERO } } },
	{ HEAD "submit r\n a: read fd=none len=8\n",
	  "b0 e0=1@0-1 a=-9 E",
	  1,
	  { { SOP_READ, CELL_READY, CELL_COMPLETE, CELL_ERROR } } },
	{ HEAD "submit r\n a: timeout ts=0\n",
	  "b0 e0=1@0-0 a=-62 E",
	  1,
	  { { SOP_TIMEOUT, CELL_ARMED, CELL_COMPLETE, CELL_ETIME } } },
	{ HEAD "submit r\n a: cancel any all\n",
	  "b0 e0=1@0-1 a=0 E",
	  1,
	  { { SOP_ASYNC_CANCEL, CELL_READY, CELL_COMPLETE, CELL_ZERO } } },
	/* a cancel that meets a read in each of its states */
	{ HEAD "submit r\n a: read fd=p.out len=8\nsubmit r\n c: cancel target=a\n",
	  "b0 e0=1@0-0 b1 e1=1@0-2 a=-125 c=0 E",
	  2,
	  { { SOP_READ, CELL_ARMED, CELL_CANCEL, CELL_OK },
	    { SOP_ASYNC_CANCEL, CELL_READY, CELL_COMPLETE, CELL_OK } } },
	{ HEAD "submit r\n a: read fd=p.out len=8 async\nsubmit r\n c: cancel target=a\n",
	  "b0 e0=1@0-0 b1 e1=1@0-1 c=-114 a=-4 E",
	  2,
	  { { SOP_READ, CELL_RUNNING, CELL_CANCEL, CELL_EALREADY },
	    { SOP_ASYNC_CANCEL, CELL_READY, CELL_COMPLETE, CELL_EALREADY } } },
	{ HEAD "write p.in len=8\nsubmit r\n a: read fd=p.out len=8\nsubmit r\n c: cancel target=a\n",
	  "b0 e0=8 b1 e1=1@0-1 b2 e2=1@1-2 a=8 c=-2 E",
	  3,
	  { { SOP_READ, CELL_READY, CELL_COMPLETE, CELL_OK },
	    { SOP_READ, CELL_POSTED, CELL_CANCEL, CELL_ENOENT },
	    { SOP_ASYNC_CANCEL, CELL_READY, CELL_COMPLETE, CELL_ENOENT } } },
	{ HEAD
	  "submit r\n h: poll_add fd=p.out events=in link\n a: read fd=p.out len=8\nsubmit r\n c: cancel target=a\n",
	  "b0 e0=2@0-0 b1 e1=1@0-1 c=-2 E h=1 a=1",
	  4,
	  { { SOP_READ, CELL_HELD, CELL_CANCEL, CELL_ENOENT },
	    { SOP_READ, CELL_ARMED, CELL_COMPLETE, CELL_SHORT },
	    { SOP_POLL_ADD, CELL_ARMED, CELL_COMPLETE, CELL_OK },
	    { SOP_ASYNC_CANCEL, CELL_READY, CELL_COMPLETE, CELL_ENOENT } } },
	{ HEAD "submit r\n t: timeout ts=never\n a: read fd=p.out len=8 drain\nsubmit r\n c: timeout_remove target=t\n",
	  "b0 e0=2@0-0 b1 e1=1@0-0 t=-125 c=0 a=-125 E",
	  3,
	  { { SOP_TIMEOUT, CELL_ARMED, CELL_TIMEOUT_REMOVE, CELL_OK },
	    { SOP_READ, CELL_UNKNOWN, CELL_COMPLETE, CELL_ECANCELED },
	    { SOP_TIMEOUT_REMOVE, CELL_UNKNOWN, CELL_COMPLETE, CELL_OK } } },
	{ HEAD "submit r\n t: timeout ts=never\n a: read fd=p.out len=8 drain\nsubmit r\n c: cancel target=a\n",
	  "b0 e0=2@0-0 b1 e1=1@0-0 E t=-125 a=-125 c=-2",
	  2,
	  { { SOP_READ, CELL_POSTED, CELL_CANCEL, CELL_ENOENT },
	    { SOP_ASYNC_CANCEL, CELL_UNKNOWN, CELL_COMPLETE, CELL_ENOENT } } },
	{ HEAD "submit r\n c: cancel target=a\n a: read fd=p.out len=8\nwrite p.in len=8\n",
	  "b0 e0=2@0-1 c=-2 b1 e1=8 E a=8",
	  3,
	  { { SOP_READ, CELL_READY, CELL_CANCEL, CELL_ENOENT },
	    { SOP_READ, CELL_ARMED, CELL_COMPLETE, CELL_OK },
	    { SOP_ASYNC_CANCEL, CELL_READY, CELL_COMPLETE, CELL_ENOENT } } },
	/* linked timeouts: one that fires, one that is cancelled with what it timed, and a chain that was severed */
	{ HEAD "submit r\n a: read fd=p.out len=8 link\n l: link_timeout ts=0\n",
	  "b0 e0=2@0-0 a=-125 l=-62 E",
	  2,
	  { { SOP_READ, CELL_ARMED, CELL_LINK_TIMEOUT, CELL_ETIME },
	    { SOP_LINK_TIMEOUT, CELL_ARMED, CELL_COMPLETE, CELL_ETIME } } },
	{ HEAD "submit r\n a: read fd=p.out len=8 link\n l: link_timeout ts=never\nwrite p.in len=8\n",
	  "b0 e0=2@0-0 b1 e1=8 a=8 l=-125 E",
	  2,
	  { { SOP_READ, CELL_ARMED, CELL_COMPLETE, CELL_OK },
	    { SOP_LINK_TIMEOUT, CELL_ARMED, CELL_COMPLETE, CELL_ECANCELED } } },
	{ HEAD "submit r\n a: read fd=none len=8 link\n b: nop\n",
	  "b0 e0=2@0-2 a=-9 b=-125 E",
	  2,
	  { { SOP_READ, CELL_READY, CELL_COMPLETE, CELL_ERROR },
	    { SOP_NOP, CELL_HELD, CELL_COMPLETE, CELL_ECANCELED } } },
	{ HEAD "submit r\n h: timeout ts=0 hardlink\n a: read fd=p.out len=8 link\n l: link_timeout ts=0\n",
	  "b0 e0=3@0-0 h=-62 a=-125 l=-62 E",
	  3,
	  { { SOP_TIMEOUT, CELL_ARMED, CELL_COMPLETE, CELL_ETIME },
	    { SOP_READ, CELL_ARMED, CELL_LINK_TIMEOUT, CELL_ETIME },
	    { SOP_LINK_TIMEOUT, CELL_ARMED, CELL_COMPLETE, CELL_ETIME } } },
	/* exits and rings that go */
	{ HEAD "submit r\n a: read fd=p.out len=8\nclose r\n",
	  "b0 e0=1@0-0 b1 e1=0 E",
	  1,
	  { { SOP_READ, CELL_ARMED, CELL_CLOSE, CELL_NONE } } },
	{ "augur 1\ntask t\nring r entries=8\npipe p\nsubmit r task=t\n a: read fd=p.out len=8\nexit thread task=t\n",
	  "b0 e0=1@0-0 b1 E a=-125",
	  1,
	  { { SOP_READ, CELL_ARMED, CELL_EXIT, CELL_ECANCELED } } },
	{ HEAD "submit r\n a: read fd=p.out len=8 link\n b: nop\nexit process\n",
	  "b0 e0=2@0-0 b1",
	  2,
	  { { SOP_READ, CELL_ARMED, CELL_EXIT, CELL_NONE }, { SOP_NOP, CELL_HELD, CELL_EXIT, CELL_NONE } } },
};

/* ---- scripts ---- */

static struct stream stream;
static struct record record;
static struct cells cells;
static uint32_t head;

static struct rec_event *event(enum rec_kind kind)
{
	struct rec_event *e = &record.ev[record.nr++];

	*e = (struct rec_event){ .kind = (uint8_t)kind, .step = REC_NO_STEP, .req = REC_NO_REQ, .stamp = record.nr };
	return e;
}

static unsigned int named(char name)
{
	for (unsigned int i = 0; i < stream.nr_reqs; i++)
		if (stream.reqs[i].name[0] == name)
			return i;
	CHECK(!"a request of the stream");
	return 0;
}

static void word(const char *w)
{
	struct rec_event *e;
	unsigned int step;
	int res = 0;

	if (w[0] == 'E') {
		event(REC_EPILOGUE);
	} else if (!strcmp(w, "hand")) {
		event(REC_HAND);
	} else if (w[0] == 'b' && w[1] != '=') {
		e = event(REC_BEGIN);
		e->step = (uint16_t)atoi(w + 1);
		e->task = stream.steps[e->step].task;
	} else if (w[0] == 'e') {
		e = event(REC_END);
		CHECK(sscanf(w, "e%u=%d@%u-%u", &step, &res, &e->tail_before, &e->tail_after) >= 2);
		e->step = (uint16_t)step;
		e->task = stream.steps[step].task;
		e->res = res;
	} else {
		e = event(REC_CQE);
		e->req = (uint16_t)named(w[0]);
		e->a = stream_user_data(e->req);
		e->res = atoi(w + 2);
		e->head = head++;
	}
}

static void build(const struct scene *c)
{
	char buf[256], *save = NULL;
	struct diag d;

	diag_init(&d, "scene");
	if (!CHECK_OP(stream_parse(c->stream, strlen(c->stream), &stream, &d), ==, 0))
		diag_print(&d, stdout);
	record = (struct record){ .version = RECORD_VERSION, .runner = RUNNER_ENGINE, .flags = RECF_COMPLETE };
	head = 0;
	event(REC_RING)->a = 8ull << 32 | 16;
	snprintf(buf, sizeof(buf), "%s", c->script);
	for (char *w = strtok_r(buf, " ", &save); w; w = strtok_r(NULL, " ", &save))
		word(w);
}

/* Takes what was to be seen out of the table; it must be empty then. */
static bool shows(const struct scene *c)
{
	const uint32_t *all = &cells.count[0][0][0][0];
	bool right = true;

	for (unsigned int i = 0; i < c->nr; i++) {
		const struct shown *k = &c->shown[i];
		uint32_t *n = &cells.count[k->op][k->state][k->event][k->result];

		if (*n == 0)
			printf("not seen: %u %u %u %u\n", k->op, k->state, k->event, k->result);
		right &= *n > 0;
		*n -= *n > 0;
	}
	for (size_t i = 0; i < sizeof(cells) / sizeof(*all); i++) {
		if (all[i])
			printf("seen: %zu %zu %zu %zu\n", i / (CELL_STATES * CELL_EVENTS * CELL_RESULTS),
			       i / (CELL_EVENTS * CELL_RESULTS) % CELL_STATES, i / CELL_RESULTS % CELL_EVENTS,
			       i % CELL_RESULTS);
		right &= all[i] == 0;
	}
	return right;
}

static void test_scenes(void)
{
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		build(&scenes[i]);
		memset(&cells, 0, sizeof(cells));
		CHECK_OP(judge_cells(&stream, &record, PROFILE_CORRECTED, &cells), ==, 0);
		if (!CHECK(shows(&scenes[i])))
			printf("in %s\n%s\n", scenes[i].stream, scenes[i].script);
	}
}

/* It adds to what is there, and nothing for a record that contradicts itself. */
static void test_adds(void)
{
	build(&scenes[0]);
	memset(&cells, 0, sizeof(cells));
	for (unsigned int i = 0; i < 3; i++)
		CHECK_OP(judge_cells(&stream, &record, PROFILE_CORRECTED, &cells), ==, 0);
	CHECK_OP(cells.count[SOP_NOP][CELL_READY][CELL_COMPLETE][CELL_OK], ==, 3u);
	record.ev[1].step = 7;
	CHECK_OP(judge_cells(&stream, &record, PROFILE_CORRECTED, &cells), ==, -EINVAL);
	CHECK_OP(cells.count[SOP_NOP][CELL_READY][CELL_COMPLETE][CELL_OK], ==, 3u);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_scenes),
	CHECK_TEST(test_adds),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
