#include "runner/executor_test.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/check.h"
#include "runner/record_text.h"
#include "stream/parse.h"

static struct stream stream;
static struct record *rec;

static void show(void)
{
	static char buf[RECORD_TEXT_CAP];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	record_table(rec, &stream, &t);
	fputs(buf, stdout);
}

static bool run(const char *text)
{
	struct diag d;

	diag_init(&d, "stream");
	if (!CHECK_OP(stream_parse(text, strlen(text), &stream, &d), ==, 0)) {
		diag_print(&d, stdout);
		return false;
	}
	if (!CHECK_OP(leg_run(&stream, 1, rec), ==, 0))
		return false;
	if (!CHECK(rec->flags & RECF_COMPLETE)) {
		show();
		return false;
	}
	for (uint32_t i = 1; i < rec->nr; i++)
		CHECK_OP(rec->ev[i].stamp, >=, rec->ev[i - 1].stamp);
	return true;
}

/* The nth event of that kind, or one that is all zeros. */
static const struct rec_event *event(enum rec_kind kind, unsigned int n)
{
	static const struct rec_event none;

	for (uint32_t i = 0; i < rec->nr; i++)
		if (rec->ev[i].kind == kind && n-- == 0)
			return &rec->ev[i];
	return &none;
}

static unsigned int count(enum rec_kind kind)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < rec->nr; i++)
		n += rec->ev[i].kind == kind;
	return n;
}

/* Waits that fell short. What has not settled on sim before the epilogue need not be one. */
static void check_bounds(unsigned int n)
{
	unsigned int hit = 0;

	for (uint32_t i = 0; i < rec->nr; i++)
		hit += rec->ev[i].kind == REC_BOUND && rec->ev[i].flags != PHASE_SETTLE;
	if (!CHECK_OP(hit, ==, n))
		show();
}

/* The one CQE of a request. */
static const struct rec_event *cqe(const char *name)
{
	static const struct rec_event none = { .res = INT64_MAX };
	const struct rec_event *found = &none;
	unsigned int n = 0;

	for (uint32_t i = 0; i < rec->nr; i++)
		if (rec->ev[i].kind == REC_CQE && rec->ev[i].req < stream.nr_reqs &&
		    strcmp(stream.reqs[rec->ev[i].req].name, name) == 0) {
			found = &rec->ev[i];
			n++;
		}
	if (!CHECK_OP(n, ==, 1u))
		show();
	return found;
}

static const struct rec_event *end_of(unsigned int step)
{
	static const struct rec_event none = { .res = INT64_MAX };

	for (uint32_t i = 0; i < rec->nr; i++)
		if (rec->ev[i].kind == REC_END && rec->ev[i].step == step)
			return &rec->ev[i];
	CHECK(!"the step ends");
	return &none;
}

static const struct rec_event *final_of(unsigned int obj)
{
	static const struct rec_event none = { .flags = UINT32_MAX };

	for (uint32_t i = 0; i < rec->nr; i++)
		if (rec->ev[i].kind == REC_FINAL && rec->ev[i].obj == obj)
			return &rec->ev[i];
	CHECK(!"the object is probed");
	return &none;
}

/* Bytes of pipe obj: written by requests, steps and the epilogue; read by them; left. They must add up. */
static void check_conserved(unsigned int obj)
{
	int64_t in = 0, out = 0;

	for (uint32_t i = 0; i < rec->nr; i++) {
		const struct rec_event *e = &rec->ev[i];
		const struct sreq *q = e->req < stream.nr_reqs ? &stream.reqs[e->req] : NULL;
		const struct step *st = e->step < stream.nr_steps ? &stream.steps[e->step] : NULL;
		bool req_in = e->kind == REC_CQE && q && q->op == SOP_WRITE && q->fd.obj == obj;
		bool step_in = e->kind == REC_END && st && st->kind == STEP_WRITE && st->fd.obj == obj;
		bool feed = e->kind == REC_END && !st && e->obj == obj && e->flags == REC_CALL_WRITE;

		if ((req_in || step_in || feed) && e->res > 0)
			in += e->res;
		if ((e->kind == REC_DATA || e->kind == REC_RUN) && e->obj == obj)
			out += (int64_t)e->a;
	}
	if (!CHECK_OP(in, ==, out))
		show();
}

static void test_nops(void)
{
	if (!run("augur 1\nring r entries=8\nsubmit r\n  a: nop\n  b: nop\nwait r 2\n"))
		return;
	CHECK_OP(event(REC_RING, 0)->res, ==, 0);
	CHECK_OP(event(REC_RING, 0)->a, ==, (uint64_t)(8ull << 32 | 16));
	CHECK_OP(end_of(0)->res, ==, 2);
	CHECK_OP(end_of(0)->tail_after, ==, 2u);
	CHECK_OP(cqe("a")->res, ==, 0);
	CHECK_OP(cqe("a")->head, ==, 0u);
	CHECK_OP(cqe("b")->head, ==, 1u);
	check_bounds(0);
}

static void test_data(void)
{
	if (!run("augur 1\nring r entries=8\npipe p\neventfd e count=3\nfile f size=16\n"
		 "submit r\n  a: write fd=p.in len=5\n  b: read fd=e len=8\n  c: write fd=f len=4 off=14\nwait r 3\n"
		 "write p.in len=2\nread p.out len=3\nwrite e value=7\n"
		 "submit r\n  d: read fd=p.out len=100\nwait r 1\n"))
		return;
	CHECK_OP(cqe("a")->res, ==, 5);
	CHECK_OP(cqe("b")->res, ==, 8);
	CHECK_OP(cqe("c")->res, ==, 4);
	CHECK_OP(cqe("d")->res, ==, 4);
	CHECK_OP(end_of(3)->res, ==, 3);
	check_bounds(0);
	check_conserved(0);
	CHECK_OP(final_of(1)->a, ==, 7u);
	CHECK_OP(final_of(2)->a, ==, 18u);
	CHECK_OP(count(REC_RUN), ==, 2u);
	CHECK_OP(event(REC_RUN, 0)->flags, ==, (uint32_t)TOKEN_INIT);
	CHECK_OP(event(REC_RUN, 0)->a, ==, 14u);
	CHECK_OP(event(REC_RUN, 1)->flags, ==, (uint32_t)(TOKEN_REQ + 2));
	CHECK_OP(event(REC_RUN, 1)->a, ==, 4u);
}

static void test_links(void)
{
	if (!run("augur 1\nring r entries=8\nsubmit r\n  a: read fd=none len=8 link\n  b: nop\n  c: nop link\n  d: nop\n"
		 "wait r 4\n"))
		return;
	CHECK_OP(cqe("a")->res, ==, -EBADF);
	CHECK_OP(cqe("b")->res, ==, -ECANCELED);
	CHECK_OP(cqe("c")->res, ==, 0);
	CHECK_OP(cqe("d")->res, ==, 0);
	CHECK_OP(cqe("a")->head, <, cqe("b")->head);
	CHECK_OP(cqe("c")->head, <, cqe("d")->head);
}

/* What waits for ever by itself is ended by the epilogue, and no byte is lost on the way. */
static void test_epilogue(void)
{
	if (!run("augur 1\nring r entries=16\nring q flags=single_issuer|defer_taskrun entries=16\npipe p capacity=4096\n"
		 "eventfd e\neventfd s count=2 semaphore\n"
		 "submit r\n  a: read fd=p.out len=8 link\n  b: nop\n  c: timeout ts=never\n  d: read fd=e len=8 async\n"
		 "  e1: poll_add fd=p.out events=in\n  f: read fd=s len=8\n  g: read fd=s len=8\n  h: read fd=s len=8\n"
		 "submit q\n  i: read fd=e len=8\n  j: timeout ts=never link\n  k: nop\n  l: poll_add fd=p.in events=err\n"))
		return;
	for (unsigned int i = 0; i < stream.nr_reqs; i++)
		cqe(stream.reqs[i].name);
	CHECK_OP(cqe("c")->res, ==, -ECANCELED);
	CHECK_OP(cqe("k")->res, ==, -ECANCELED);
	check_bounds(0);
	check_conserved(0);
	CHECK_OP(final_of(0)->flags, ==, 0u);
	CHECK_OP(final_of(1)->flags, ==, 0u);
}

/* A writer larger than its pipe. */
static void test_big_write(void)
{
	if (!run("augur 1\nring r entries=8\npipe p capacity=4096\n"
		 "submit r\n  a: write fd=p.in len=20000 link\n  b: write fd=p.in len=20000 async\n"
		 "  c: write fd=p.in len=100\n"))
		return;
	for (unsigned int i = 0; i < stream.nr_reqs; i++)
		cqe(stream.reqs[i].name);
	check_bounds(0);
	check_conserved(0);
}

static bool sync_cancel_refused(void)
{
	for (uint32_t i = 0; i < rec->nr; i++)
		if (rec->ev[i].kind == REC_END && rec->ev[i].step == REC_NO_STEP && rec->ev[i].obj == STREAM_NONE &&
		    rec->ev[i].flags == REC_CALL_SYNC && rec->ev[i].res == -EINVAL)
			return true;
	return false;
}

/* A drain that an SQE would have to wait behind. */
static void test_held_drain(void)
{
	if (!run("augur 1\nring r entries=8\nsubmit r\n  a: timeout ts=never\n  b: nop drain\n  c: nop\n"))
		return;
	if (sync_cancel_refused()) {
		check_skip("nothing but SYNC_CANCEL ends this, and there is none here");
		return;
	}
	CHECK_OP(cqe("a")->res, ==, -ECANCELED);
	cqe("b");
	cqe("c");
	check_bounds(0);
}

static void test_tasks(void)
{
	if (!run("augur 1\ntask t\ntask u\nring r entries=8\nring q task=t flags=single_issuer|defer_taskrun entries=8\n"
		 "ring w task=t entries=8\npipe p\n"
		 "submit r\n  a: nop\nsubmit q task=t\n  b: read fd=p.out len=8\nsubmit w task=t\n  c: read fd=p.out len=8\n"
		 "submit q task=u\n  d: nop\nwrite p.in len=8 task=u\nexit thread task=t\nreap r\n"))
		return;
	CHECK_OP(cqe("a")->res, ==, 0);
	CHECK_OP(end_of(3)->res, ==, -EEXIST);
	CHECK_OP(event(REC_EXIT, 0)->task, ==, 1);
	CHECK_OP(event(REC_EXIT, 0)->res, ==, 0);
	cqe("c");
	CHECK_OP(final_of(0)->flags, ==, 0u);
	check_bounds(0);
}

static void test_exit_process(void)
{
	if (!run("augur 1\nring r entries=8\npipe p\npipe q\nfile f size=8\n"
		 "submit r\n  a: read fd=p.out len=8\n  b: write fd=q.in len=5\n  c: timeout ts=never\nreap r\nclose p.in\n"
		 "exit process\n"))
		return;
	CHECK_OP(cqe("b")->res, ==, 5);
	CHECK_OP(event(REC_EXIT, 0)->res, ==, 0);
	CHECK_OP(event(REC_EXIT, 0)->step, ==, 3);
	CHECK_OP(final_of(0)->flags, ==, 0u);
	CHECK_OP(final_of(0)->a, ==, 0u);
	CHECK_OP(final_of(1)->flags, ==, 0u);
	CHECK_OP(final_of(1)->a, ==, 5u);
	CHECK_OP(final_of(2)->a, ==, 8u);
	check_conserved(1);
}

/* The parent of a stream that exits must not hold what the stream closes. */
static void test_exit_eof(void)
{
	if (!run("augur 1\ntask t\nring r entries=8\npipe p\npipe q\npipe w\n"
		 "close p.in\nclose q.out\nclose w.in\nclose w.out\n"
		 "submit r\n  a: read fd=p.out len=8\n  b: write fd=q.in len=5\nreap r\nexit process task=t\n"))
		return;
	CHECK_OP(cqe("a")->res, ==, 0);
	CHECK_OP(cqe("b")->res, ==, -EPIPE);
	CHECK_OP(final_of(0)->flags, ==, 0u);
	CHECK_OP(final_of(1)->flags, ==, 0u);
	CHECK_OP(final_of(2)->flags, ==, (uint32_t)FINAL_UNSEEN);
}

static void test_close_ring(void)
{
	if (!run("augur 1\nring r entries=8\npipe p\nsubmit r\n  a: read fd=p.out len=8\n  b: read fd=p.out len=8 async\n"
		 "close r\nwrite p.in len=3\n"))
		return;
	CHECK_OP(end_of(1)->res, ==, 0);
	CHECK_OP(count(REC_CQE), ==, 0u);
	CHECK_OP(final_of(0)->flags, ==, 0u);
}

static void test_refused_ring(void)
{
	if (!run("augur 1\nring r entries=0\nring q flags=r_disabled entries=4\nsubmit r\n  a: nop\nwait r 1\nreap r\npeek r\n"
		 "submit q\n  b: nop\n"))
		return;
	CHECK_OP(event(REC_RING, 0)->res, ==, -EINVAL);
	for (unsigned int i = 0; i < 5; i++)
		CHECK_OP(end_of(i)->res, ==, -EBADFD);
	CHECK_OP(count(REC_CQE), ==, 0u);
}

/* A batch that stops early: what it left does not come back. */
static void test_short_submit(void)
{
	if (!run("augur 1\nring r entries=8\nsubmit r\n  a: nop\n  b: timeout ts=0 boottime realtime\n  c: nop\n"
		 "submit r wait=1\n  d: nop\nwait r 2\n"))
		return;
	CHECK_OP(end_of(0)->res, ==, 2);
	CHECK_OP(end_of(0)->head, ==, 2u);
	CHECK_OP(cqe("b")->res, ==, -EINVAL);
	CHECK_OP(cqe("d")->res, ==, 0);
	for (uint32_t i = 0; i < rec->nr; i++)
		CHECK(rec->ev[i].kind != REC_CQE || rec->ev[i].req != 2);
}

static void test_silent(void)
{
	if (!run("augur 1\nring r entries=8\nsubmit r\n  a: nop skip\n  b: nop\nwait r 1\n"))
		return;
	CHECK_OP(cqe("b")->res, ==, 0);
	check_bounds(0);
}

static void test_bound(void)
{
	if (!run("augur 1\nring r entries=8\npipe p\nsubmit r wait=1\n  a: read fd=p.out len=8\n"))
		return;
	check_bounds(1);
	CHECK_OP(event(REC_BOUND, 0)->a, ==, 1u);
	CHECK_OP(end_of(0)->res, ==, 1);
	CHECK_OP(cqe("a")->res, ==, 1);
}

/* Sim only: the same seed gives the same record, byte for byte. */
static void test_same_seed(void)
{
	static struct record first;

	for (unsigned int seed = 0; seed < 20; seed++) {
		if (!run("augur 1\nring r entries=8\npipe p\nsubmit r\n  a: read fd=p.out len=8 async\n"
			 "  b: write fd=p.in len=3 async\n  c: cancel target=a\n  d: timeout ts=10us\nwait r 2\n"))
			return;
		if (!(rec->flags & RECF_EXACT)) {
			check_skip("only a simulated run repeats itself");
			return;
		}
		CHECK_OP(leg_run(&stream, seed, rec), ==, 0);
		memcpy(&first, rec, sizeof(first));
		CHECK_OP(leg_run(&stream, seed, rec), ==, 0);
		CHECK_OP(first.nr, ==, rec->nr);
		CHECK(memcmp(first.ev, rec->ev, first.nr * sizeof(first.ev[0])) == 0);
		CHECK(record_same(&first, rec));
	}
}

static const struct check_test tests[] = {
	CHECK_TEST(test_nops),	     CHECK_TEST(test_data),	    CHECK_TEST(test_links),
	CHECK_TEST(test_epilogue),   CHECK_TEST(test_big_write),    CHECK_TEST(test_held_drain),
	CHECK_TEST(test_tasks),	     CHECK_TEST(test_exit_process), CHECK_TEST(test_exit_eof),
	CHECK_TEST(test_close_ring), CHECK_TEST(test_refused_ring), CHECK_TEST(test_short_submit),
	CHECK_TEST(test_silent),     CHECK_TEST(test_bound),	    CHECK_TEST(test_same_seed),
};

int main(int argc, char **argv)
{
	const char *missing = leg_missing();

	if (missing) {
		printf("%s\n", missing);
		return 77;
	}
	rec = mmap(NULL, sizeof(*rec), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (rec == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
