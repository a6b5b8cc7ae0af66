/* The laws, one by one: small records, most of them a true one with one fact altered, and the rule that must object.
 *
 * A record is written as a script of words; events are stamped 1000 ns apart.
 *	r0:8/16		ring 0 made, 8 SQ and 16 CQ entries
 *	b2 e2=1@0-3	step 2 begins; returned 1, CQ tail 0 before and 3 after
 *	c:a=-125	CQE of request a (the next index of its ring); c:a=4! with flags 2
 *	x:99=0		CQE with that user_data; fence=0 and pass=2: those of the epilogue
 *	s:a=4		CQE of request a with index 4
 *	d:a=2*8		request a got 8 times the byte 2; D1=2*8: step 1 did
 *	w0=1		the epilogue fed object 0 with one byte (or 1)
 *	B1=2		step 1 hit its bound, 2 CQEs short
 *	settle=1	sim: nothing can run any more before the epilogue begins, 1 CQE short
 *	E		the epilogue begins
 *	f0=5,0 u0=1*5	the last probe of object 0: a and flags; its content
 *	+500		that many ns pass
 *	hand=0 sim=1 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/diag.h"
#include "oracle/oracle.h"
#include "runner/record.h"
#include "stream/model.h"
#include "stream/parse.h"

#define HEAD "augur 1\nring r entries=8\n"

struct lie {
	const char *stream, *script;
	const char *rule; /* NULL: all allowed */
	uint32_t flags; /* of the record, beside COMPLETE */
};

static const struct lie lies[] = {
	/* completions */
	{ HEAD "submit r\n a: nop\nwait r 1\n", "r0:8/16 b0 e0=1@0-1 b1 c:a=0 e1=0@1-1 E", NULL, 0 },
	{ HEAD "submit r\n a: nop\n", "r0:8/16 b0 e0=1@0-1 c:a=0 c:a=0", "cqe.twice", 0 },
	{ HEAD "submit r\n a: nop\n", "r0:8/16 b0 e0=1@0-1 c:a=0 x:77=0", "cqe.unknown", 0 },
	{ HEAD "submit r\n a: nop\n b: nop\n", "r0:8/16 b0 e0=1@0-1 c:a=0 c:b=0", "cqe.unknown", 0 },
	{ HEAD "submit r\n a: nop\n", "r0:8/16 b0 e0=1@0-1 c:a=0!", "cqe.flags", 0 },
	{ HEAD "submit r\n a: nop async\n", "r0:8/16 b0 e0=1@0-0 E", "cqe.missing", RECF_EXACT },
	{ HEAD "submit r\n a: nop async\n", "r0:8/16 b0 e0=1@0-0 E", "cqe.stuck", 0 },
	{ HEAD "submit r\n a: nop async\nclose r\n", "r0:8/16 b0 e0=1@0-0 b1 e1=0 E", NULL, RECF_EXACT },
	{ HEAD "submit r\n a: nop\n b: nop\n", "r0:8/16 b0 e0=2@0-2 s:a=0 s:b=2", "cq.index", 0 },
	{ HEAD "submit r\n a: nop async\nwait r 1\n", "r0:8/16 b0 e0=1@0-0 b1 e1=-62@0-0 B1=1 E c:a=-125",
	  "wait.stranded", RECF_EXACT },
	{ HEAD "submit r\n a: nop async\nwait r 1\n", "r0:8/16 b0 e0=1@0-0 b1 e1=-62@0-0 B1=1 E c:a=-125", "wait.stuck",
	  0 },
	{ HEAD "pipe p\nsubmit r\n a: read fd=p.out len=8\nwait r 1\n",
	  "r0:8/16 b0 e0=1@0-0 b1 e1=-62@0-0 B1=1 E c:a=-125 f0=0,0", NULL, RECF_EXACT },
	{ HEAD "submit r\n a: nop async\n", "r0:8/16 b0 e0=1@0-0 E fence=0 c:a=0", "fence.order", 0 },
	{ HEAD "submit r\n a: nop\n", "r0:8/16 b0 e0=1@0-1 c:a=0 hand=0", "engine.died", 0 },
	{ HEAD "submit r\n a: nop\n", "r0:8/16 b0 e0=1@0-1 c:a=0 hand=1", "hand", 0 },
	{ HEAD "submit r\n a: nop\n", "r0:8/16 b0 e0=1@0-1 c:a=0 sim=1", "sim.quiescent", 0 },
	/* submission */
	{ HEAD "submit r\n a: nop\n b: nop\n", "r0:8/16 b0 e0=1@0-1 c:a=0", "enter.return", 0 },
	{ HEAD "submit r\n l: link_timeout ts=never\n b: nop\n", "r0:8/16 b0 e0=1@0-1 c:l=-22", NULL, 0 },
	{ HEAD "submit r\n l: link_timeout ts=never\n b: nop\n", "r0:8/16 b0 e0=2@0-2 c:l=-22 c:b=0", "enter.return",
	  0 },
	{ "augur 1\nring r entries=8 flags=r_disabled\nsubmit r\n a: nop\n", "r0:8/16 b0 e0=-77@0-0", NULL, 0 },
	{ "augur 1\nring r entries=8 flags=r_disabled\nsubmit r\n a: nop\n", "r0:8/16 b0 e0=1@0-1 c:a=0",
	  "enter.return", 0 },
	{ HEAD "submit r\n l: link_timeout ts=never\n", "r0:8/16 b0 e0=1@0-1 c:l=-125", "prep.result", 0 },
	{ HEAD "submit r\n a: nop\nwait r 1\n", "r0:8/16 b0 e0=1@0-0 b1 c:a=0 e1=0@0-1 E", "inline.visible", 0 },
	{ HEAD "submit r\n a: nop\n b: nop\n", "r0:8/16 b0 e0=2@0-2 c:b=0 c:a=0", "inline.order", 0 },
	{ HEAD "pipe p\nsubmit r\n a: read fd=p.out len=8\n b: nop drain\n",
	  "r0:8/16 b0 e0=2@0-0 E c:b=0 c:a=-125 f0=0,0", "drain.order", 0 },
	{ HEAD "submit r\n a: nop skip\n", "r0:8/16 b0 e0=1@0-1 c:a=0", "skip.success", 0 },
	/* results */
	{ HEAD "submit r\n a: nop\n", "r0:8/16 b0 e0=1@0-1 c:a=-5", "result", 0 },
	{ HEAD "pipe p\nsubmit r\n a: write fd=p.in len=8\n", "r0:8/16 b0 e0=1@0-1 c:a=9 f0=9,0 u0=1*9", "result", 0 },
	{ HEAD "submit r\n a: read fd=none len=8\n", "r0:8/16 b0 e0=1@0-1 c:a=0", "result", 0 },
	{ HEAD "submit r\n a: read fd=none len=8\n", "r0:8/16 b0 e0=1@0-1 c:a=-9", NULL, 0 },
	{ HEAD "eventfd e\nsubmit r\n a: poll_add fd=e events=out\n", "r0:8/16 b0 e0=1@0-1 c:a=1 f0=0,0", "result", 0 },
	{ HEAD "pipe p\nsubmit r\n a: poll_add fd=p.out events=in\nclose p.in\n",
	  "r0:8/16 b0 e0=1@0-0 b1 e1=0 E c:a=16 f0=0,0", NULL, 0 },
	{ HEAD "pipe p\nsubmit r\n a: poll_add fd=p.out events=in\nclose p.in\n",
	  "r0:8/16 b0 e0=1@0-0 b1 e1=0 E c:a=24 f0=0,0", "result", 0 },
	{ HEAD "pipe p\nsubmit r\n a: poll_add fd=p.out events=in\n", "r0:8/16 b0 e0=1@0-0 E c:a=16 f0=0,0", "result",
	  0 },
	{ HEAD "pipe p\nsubmit r\n a: read fd=p.out len=8\n", "r0:8/16 b0 e0=1@0-1 c:a=0 f0=0,0", "result.eof", 0 },
	{ HEAD "pipe p\nclose p.in\nsubmit r\n a: read fd=p.out len=8\n", "r0:8/16 b0 e0=0 b1 e1=1@0-1 c:a=0 f0=0,0",
	  NULL, 0 },
	{ HEAD "pipe p\nsubmit r\n a: write fd=p.in len=8\n", "r0:8/16 b0 e0=1@0-1 c:a=-32 f0=0,0", "result.epipe", 0 },
	{ HEAD "pipe p\nsubmit r\n a: read fd=p.out len=8\nsubmit r\n k: cancel target=a\n",
	  "r0:8/16 b0 e0=1@0-0 b1 e1=1@0-1 c:k=-114 c:a=-4 f0=0,0", "result.intr", 0 },
	{ HEAD "pipe p\nsubmit r\n a: read fd=p.out len=8\n b: read fd=p.out len=8\nsubmit r\n k: cancel target=a\n",
	  "r0:8/16 b0 e0=2@0-0 b1 e1=1@0-1 c:k=-114 c:a=-4 E c:b=-125 f0=0,0", "state.cancel", 0 },
	{ HEAD "pipe p\npipe q\nsubmit r\n a: splice fd=q.in in=p.out len=8\nsubmit r\n k: cancel target=a\n",
	  "r0:8/16 b0 e0=1@0-0 b1 e1=1@0-1 c:k=-114 c:a=-4 f0=0,0 f1=0,0", NULL, 0 },
	{ HEAD "pipe p\npipe q\nsubmit r\n a: splice fd=q.in in=p.out len=8\nsubmit r\n k: cancel target=a\n",
	  "r0:8/16 b0 e0=1@0-0 b1 e1=1@0-1 c:k=-114 c:a=-512 f0=0,0 f1=0,0", "result.restart", 0 },
	/* what a worker does to whole files */
	{ HEAD "pipe p\nsubmit r\n a: fsync fd=p.out link\n b: nop\n", "r0:8/16 b0 e0=2@0-0 c:a=-22 c:b=0", NULL, 0 },
	{ HEAD "pipe p\nsubmit r\n a: fsync fd=p.out link\n b: nop\n", "r0:8/16 b0 e0=2@0-0 c:a=0 c:b=0", "result", 0 },
	{ HEAD "submit r\n a: fsync fd=none link\n b: nop\n", "r0:8/16 b0 e0=2@0-0 c:a=-9 c:b=0", "chain.sever", 0 },
	/* chains */
	{ HEAD "submit r\n a: nop link\n b: nop\n", "r0:8/16 b0 e0=2@0-2 c:b=0 c:a=0", "chain.order", 0 },
	{ HEAD "submit r\n a: read fd=none len=8 link\n b: nop\n", "r0:8/16 b0 e0=2@0-2 c:a=-9 c:b=0", "chain.sever",
	  0 },
	{ HEAD "submit r\n a: read fd=none len=8 hardlink\n b: nop\n", "r0:8/16 b0 e0=2@0-2 c:a=-9 c:b=0", NULL, 0 },
	{ HEAD "submit r\n a: nop link\n b: nop\n", "r0:8/16 b0 e0=2@0-2 c:a=0 c:b=-125", "cancel.cause", 0 },
	/* cancels */
	{ HEAD "pipe p\nsubmit r\n a: read fd=p.out len=8\nsubmit r\n k: cancel target=a\n",
	  "r0:8/16 b0 e0=1@0-0 b1 e1=1@0-1 c:k=0 c:a=-125 f0=0,0", NULL, 0 },
	{ HEAD "pipe p\nsubmit r\n a: read fd=p.out len=8\nsubmit r\n k: cancel target=a\n",
	  "r0:8/16 b0 e0=1@0-0 b1 e1=1@0-1 c:k=0 E w0=1 c:a=1 d:a=254*1 f0=0,0", "cancel.zero", 0 },
	{ HEAD "submit r\n a: nop\nsubmit r\n k: cancel target=a\n", "r0:8/16 b0 e0=1@0-1 b1 e1=1@1-2 c:a=0 c:k=0",
	  "cancel.notfound", 0 },
	{ HEAD "submit r\n k: cancel target=none\n", "r0:8/16 b0 e0=1@0-1 c:k=-114", "cancel.notfound", 0 },
	{ HEAD "submit r\n a: nop async\nsubmit r\n k: cancel target=a\n",
	  "r0:8/16 b0 e0=1@0-1 b1 e1=1@1-2 c:a=0 c:k=-114", NULL, 0 },
	{ HEAD "pipe p\nsubmit r\n a: read fd=p.out len=8\nsubmit r\n k: cancel any all\n",
	  "r0:8/16 b0 e0=1@0-0 b1 e1=1@0-1 c:k=2 c:a=-125 f0=0,0", "cancel.count", 0 },
	{ HEAD "pipe p\nsubmit r\n a: read fd=p.out len=8 async\nsubmit r\n k: cancel target=a\n",
	  "r0:8/16 b0 e0=1@0-0 b1 e1=1@0-1 c:k=-2 c:a=-4 f0=0,0", "cancel.enoent", 0 },
	{ HEAD "pipe p\nsubmit r\n a: read fd=p.out len=8 async\nwait r 1\n",
	  "r0:8/16 b0 e0=1@0-0 b1 c:a=-4 e1=0@0-1 f0=0,0", "cancel.cause", 0 },
	{ HEAD "pipe p\nsubmit r\n a: read fd=p.out len=8 async\nsubmit r\n k: cancel target=a\n",
	  "r0:8/16 b0 e0=1@0-0 b1 e1=1@0-1 c:k=-114 settle=1 E w0=1 c:a=1 d:a=254*1 f0=0,0", "cancel.lost",
	  RECF_EXACT },
	{ HEAD "pipe p\nsubmit r\n a: read fd=p.out len=8 async\nsubmit r\n k: cancel target=a\n",
	  "r0:8/16 b0 e0=1@0-0 b1 e1=1@0-1 c:k=-2 settle=1 E w0=1 c:a=1 d:a=254*1 f0=0,0", "state.cancel", RECF_EXACT },
	/* Work that is cancelled in the queue takes what comes behind it along, hard links or not; nothing else does. */
	{ HEAD
	  "eventfd e\npipe p\nsubmit r\n k: cancel target=b async\n b: nop async hardlink\n c: read fd=e\nreap r\n",
	  "r0:8/16 b0 e0=3@0-0 b1 e1=0@0-3 c:b=-125 c:k=0 c:c=-125 E f0=0,0 f1=0,0", NULL, 0 },
	{ HEAD "pipe p\nsubmit r\n b: read fd=p.out len=8 hardlink\n c: nop\nsubmit r\n k: cancel target=b\n",
	  "r0:8/16 b0 e0=2@0-0 b1 e1=1@0-3 c:k=0 c:b=-125 c:c=-125 E f0=0,0", "cancel.cause", 0 },
	{ HEAD "submit r\n a: nop async\n", "r0:8/16 b0 e0=1@0-0 settle=1 E c:a=-125", "wait.stranded", RECF_EXACT },
	{ HEAD "submit r\n a: nop async\nwait r 1\n",
	  "r0:8/16 b0 e0=1@0-0 b1 c:a=0 +2000000000 +2000000000 +2000000000 +2000000000 e1=0@0-1 E", "wait.late",
	  RECF_EXACT },
	{ HEAD "submit r\n a: nop drain\n", "r0:8/16 b0 e0=1@0-1 c:a=0 E pass=-125 pass=0", NULL, 0 },
	{ HEAD "pipe p\nsubmit r\n a: cancel fd=p.in all async\n b: cancel fd=p.in all async\n",
	  "r0:8/16 b0 e0=2@0-0 c:a=1 c:b=0 E f0=0,0", NULL, 0 },
	/* timeouts */
	{ HEAD "submit r\n t: timeout ts=20us\nwait r 1\n", "r0:8/16 b0 e0=1@0-0 b1 +30000 c:t=-62 e1=0@0-1", NULL,
	  RECF_STAMPS },
	{ HEAD "submit r\n t: timeout ts=20us\nwait r 1\n", "r0:8/16 b0 e0=1@0-0 b1 c:t=-62 e1=0@0-1", "timeout.early",
	  RECF_STAMPS },
	{ HEAD "submit r\n t: timeout ts=never count=2\nsubmit r\n a: nop\n",
	  "r0:8/16 b0 e0=1@0-0 b1 e1=1@0-1 c:a=0 c:t=0", "timeout.count", 0 },
	{ HEAD "pipe p\nsubmit r\n a: read fd=p.out len=8 link\n l: link_timeout ts=0\n",
	  "r0:8/16 b0 e0=2@0-0 c:l=-125 E c:a=-125 f0=0,0", "link_timeout.order", 0 },
	{ HEAD "pipe p\nsubmit r\n a: read fd=p.out len=8 link\n l: link_timeout ts=0\n",
	  "r0:8/16 b0 e0=2@0-0 c:l=1 c:a=-125 f0=0,0", "result", 0 },
	/* bytes */
	{ HEAD "pipe p\nwrite p.in len=8\nsubmit r\n a: read fd=p.out len=8\n",
	  "r0:8/16 b0 e0=8 b1 e1=1@0-1 c:a=8 d:a=129*8 f0=0,0", NULL, 0 },
	{ HEAD "pipe p\nwrite p.in len=8\nsubmit r\n a: read fd=p.out len=8\n",
	  "r0:8/16 b0 e0=8 b1 e1=1@0-1 c:a=7 d:a=129*7 f0=0,0", "data.pipe", 0 },
	{ HEAD "pipe p\nwrite p.in len=8\nsubmit r\n a: read fd=p.out len=8\n",
	  "r0:8/16 b0 e0=8 b1 e1=1@0-1 c:a=8 d:a=129*8 f0=2,0 u0=129*2", "data.pipe", 0 },
	{ HEAD "pipe p\nwrite p.in len=1\nwrite p.in len=1\nread p.out len=2\n",
	  "r0:8/16 b0 e0=1 b1 e1=1 b2 e2=2 D2=130*1 D2=129*1 f0=0,0", "data.order", 0 },
	{ HEAD "eventfd e count=3\nread e\n", "r0:8/16 b0 e0=8 D0=8*2 f0=0,0", "data.counter", 0 },
	{ HEAD "file f size=16\nsubmit r\n a: write fd=f len=8 off=4\n",
	  "r0:8/16 b0 e0=1@0-1 c:a=8 f0=16,0 u0=255*4 u0=1*8 u0=255*4", NULL, 0 },
	{ HEAD "file f size=16\nsubmit r\n a: write fd=f len=8 off=4\n",
	  "r0:8/16 b0 e0=1@0-1 c:a=8 f0=16,0 u0=255*4 u0=1*7 u0=255*5", "data.file", 0 },
	{ HEAD "file f size=16\nsubmit r\n a: write fd=f len=8 off=4\nsubmit r\n k: cancel target=a\n",
	  "r0:8/16 b0 e0=1@0-0 b1 e1=1@0-1 c:k=0 c:a=-125 f0=16,0 u0=255*16", NULL, 0 },
	{ HEAD "file f size=16\nsubmit r\n a: write fd=f len=8 off=16\n", "r0:8/16 b0 e0=1@0-1 c:a=8 f0=16,0 u0=255*16",
	  "data.size", 0 },
	{ HEAD "file f size=16\nsubmit r\n a: read fd=f len=8 off=12\n",
	  "r0:8/16 b0 e0=1@0-1 c:a=3 d:a=255*3 f0=16,0 u0=255*16", "data.size", 0 },
	{ HEAD "pipe p\nsubmit r\n a: nop\n", "r0:8/16 b0 e0=1@0-1 c:a=0 f0=0,1", "final.held", RECF_EXACT },
	{ HEAD "pipe p\nsubmit r\n a: nop\n", "r0:8/16 b0 e0=1@0-1 c:a=0 f0=0,1", "final.late", 0 },
};

/* ---- scripts ---- */

static struct stream stream;
static struct record record;
static uint64_t stamp;
static uint32_t heads[STREAM_MAX_RINGS];

static struct rec_event *add(enum rec_kind kind)
{
	struct rec_event *e = &record.ev[record.nr++];

	*e = (struct rec_event){ .kind = (uint8_t)kind, .step = REC_NO_STEP, .req = REC_NO_REQ, .stamp = stamp };
	stamp += 1000;
	return e;
}

static unsigned int req_named(const char *name, size_t len)
{
	for (unsigned int i = 0; i < stream.nr_reqs; i++)
		if (strlen(stream.reqs[i].name) == len && !memcmp(stream.reqs[i].name, name, len))
			return i;
	CHECK_STR("a request of the stream", name);
	return 0;
}

static void cqe(uint64_t ud, unsigned int req, int res, bool flagged, long head)
{
	struct rec_event *e = add(REC_CQE);

	e->a = ud;
	e->req = (uint16_t)req;
	e->res = res;
	e->flags = flagged ? 2 : 0;
	e->head = head < 0 ? heads[0] : (uint32_t)head;
	heads[0] = e->head + 1;
}

static void word_step(const char *w)
{
	unsigned int step, before = 0, after = 0;
	int res = 0;
	struct rec_event *e;

	if (w[0] == 'b') {
		add(REC_BEGIN)->step = (uint16_t)atoi(w + 1);
		return;
	}
	CHECK(sscanf(w, "e%u=%d@%u-%u", &step, &res, &before, &after) >= 2);
	e = add(REC_END);
	e->step = (uint16_t)step;
	e->res = res;
	e->tail_before = before;
	e->tail_after = after;
}

static void word_data(const char *w, const char *eq)
{
	unsigned int byte, n;
	struct rec_event *e = add(w[0] == 'u' ? REC_RUN : REC_DATA);

	CHECK(sscanf(eq + 1, "%u*%u", &byte, &n) == 2);
	e->flags = byte;
	e->a = n;
	if (w[0] == 'd')
		e->req = (uint16_t)req_named(w + 2, (size_t)(eq - w - 2));
	else if (w[0] == 'D')
		e->step = (uint16_t)atoi(w + 1);
	else
		e->obj = (uint8_t)atoi(w + 1);
}

static void word_cqe(const char *w, const char *eq)
{
	unsigned int req = w[0] == 'x' ? REC_NO_REQ : req_named(w + 2, (size_t)(eq - w - 2));
	int v = atoi(eq + 1);

	if (w[0] == 'x')
		cqe((uint64_t)atoi(w + 2), req, v, false, -1);
	else if (w[0] == 's')
		cqe(stream_user_data(req), req, 0, false, v);
	else
		cqe(stream_user_data(req), req, v, eq[strlen(eq) - 1] == '!', -1);
}

static void word_rest(const char *w, const char *eq)
{
	struct rec_event *e;
	unsigned int a = 0, b = 0;

	switch (w[0]) {
	case 'r':
		CHECK(sscanf(w, "r0:%u/%u", &a, &b) == 2);
		add(REC_RING)->a = (uint64_t)a << 32 | b;
		break;
	case 'w':
		e = add(REC_END);
		e->obj = (uint8_t)atoi(w + 1);
		e->flags = REC_CALL_WRITE;
		e->res = atoi(eq + 1);
		break;
	case 'B':
		e = add(REC_BOUND);
		e->step = (uint16_t)atoi(w + 1);
		e->a = (uint64_t)atoi(eq + 1);
		break;
	case 'E':
		add(REC_EPILOGUE);
		break;
	case 'f':
		CHECK(sscanf(w, "f%*u=%u,%u", &a, &b) == 2);
		e = add(REC_FINAL);
		e->obj = (uint8_t)atoi(w + 1);
		e->a = a;
		e->flags = b;
		break;
	case '+':
		stamp += (uint64_t)atoi(w + 1);
		break;
	default:
		CHECK_STR("a word of the script", w);
	}
}

static void settle(uint64_t missing)
{
	struct rec_event *e = add(REC_BOUND);

	e->a = missing;
	e->flags = PHASE_SETTLE;
}

static void word(const char *w)
{
	const char *eq = strchr(w, '=');

	if (!strncmp(w, "fence=", 6))
		cqe(REC_UD_FENCE, REC_NO_REQ, atoi(eq + 1), false, -1);
	else if (!strncmp(w, "pass=", 5))
		cqe(REC_UD_CANCEL, REC_NO_REQ, atoi(eq + 1), false, -1);
	else if (!strncmp(w, "hand=", 5))
		add(REC_HAND)->flags = (uint32_t)atoi(eq + 1);
	else if (!strncmp(w, "settle=", 7))
		settle((uint64_t)atoi(eq + 1));
	else if (!strncmp(w, "sim=", 4))
		add(REC_SIM)->flags = (uint32_t)atoi(eq + 1);
	else if (w[0] == 'b' || w[0] == 'e')
		word_step(w);
	else if (w[0] == 'd' || w[0] == 'D' || w[0] == 'u')
		word_data(w, eq);
	else if (w[0] == 'c' || w[0] == 'x' || w[0] == 's')
		word_cqe(w, eq);
	else
		word_rest(w, eq);
}

static bool build(const struct lie *l)
{
	char buf[512], *save = NULL;
	struct diag d;

	diag_init(&d, "lie");
	if (stream_parse(l->stream, strlen(l->stream), &stream, &d)) {
		diag_print(&d, stderr);
		return CHECK(false);
	}
	record = (struct record){ .version = RECORD_VERSION,
				  .runner = RUNNER_ENGINE,
				  .flags = RECF_COMPLETE | l->flags };
	stamp = 0;
	memset(heads, 0, sizeof(heads));
	snprintf(buf, sizeof(buf), "%s", l->script);
	for (char *w = strtok_r(buf, " ", &save); w; w = strtok_r(NULL, " ", &save))
		word(w);
	return true;
}

static void test_lies(void)
{
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		const char *why = "";
		struct verdict v;
		unsigned int ev;
		char label[32];

		snprintf(label, sizeof(label), "case %zu: ", i);
		if (!build(&lies[i]) || !CHECK_OP(judge(&stream, &record, PROFILE_CORRECTED, &v, &why, &ev), ==, 0)) {
			printf("%s%s\n", label, why);
			continue;
		}
		for (unsigned int k = 0; k < v.nr && k < VERDICT_MAX_FINDINGS; k++)
			if (!lies[i].rule || strcmp(v.finding[k].rule->name, lies[i].rule))
				printf("%s%s: %s: %s (allowed: %s)\n", label, lies[i].script, v.finding[k].rule->name,
				       v.finding[k].seen, v.finding[k].allowed);
		if (!lies[i].rule) {
			if (!CHECK_OP(v.nr, ==, 0u))
				printf("%s%s\n", label, lies[i].script);
			continue;
		}
		if (!CHECK_OP(v.nr, >=, 1u) || !CHECK_STR(v.finding[0].rule->name, lies[i].rule))
			printf("%s%s\n", label, lies[i].script);
		CHECK_OP(v.kind, ==, v.nr ? v.finding[0].rule->verdict : ALLOWED);
	}
}

static void refused(const char *text)
{
	const char *why = "";
	struct verdict v;
	unsigned int ev;

	CHECK_OP(judge(&stream, &record, PROFILE_CORRECTED, &v, &why, &ev), ==, -EINVAL);
	CHECK_STR(why, text);
}

static void test_contradictions_are_refused(void)
{
	static const struct lie plain = { HEAD "submit r\n a: nop\n", "r0:8/16 b0 e0=1@0-1 c:a=0", NULL, 0 };
	static const struct lie order = { HEAD "reap r\nreap r\n", "r0:8/16 b1 e1=0 b0 e0=0", NULL, 0 };

	CHECK(build(&plain));
	record.ev[3].stamp = 0;
	refused("time runs backwards");
	CHECK(build(&plain));
	record.ev[1].step = 7;
	refused("event of a step the stream does not have");
	CHECK(build(&plain));
	record.ev[3].req = 9;
	refused("event of a request the stream does not have");
	CHECK(build(&plain));
	record.ev[3].a = 9;
	refused("a CQE's user_data is not that of its request");
	CHECK(build(&plain));
	record.ev[2].task = 1;
	refused("a step by another task than the stream says");
	CHECK(build(&plain));
	record.ev[1].ring = STREAM_NONE;
	refused("a step on another ring than the stream says");
	CHECK(build(&order));
	refused("a step begins after one that stands behind it");
	CHECK(build(&plain));
	record.version++;
	refused("a record of another version, or longer than records are");
}

static void test_profiles_follow_releases(void)
{
	static const struct {
		const char *release;
		enum profile_id profile;
	} rows[] = {
		{ "6.18.44-fc", PROFILE_6_18 },	 { "6.12.117", PROFILE_6_12 },	 { "6.1.0-30-amd64", PROFILE_6_1 },
		{ "6.19.0", PROFILE_CORRECTED }, { "7.0.0", PROFILE_CORRECTED }, { "gibberish", PROFILE_CORRECTED },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		record.runner = RUNNER_KERNEL;
		snprintf(record.release, sizeof(record.release), "%s", rows[i].release);
		CHECK_OP(oracle_profile(&record), ==, rows[i].profile);
	}
	record.runner = RUNNER_SIM;
	CHECK(oracle_profile(&record) == PROFILE_CORRECTED);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_lies),
	CHECK_TEST(test_contradictions_are_refused),
	CHECK_TEST(test_profiles_follow_releases),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
