/* Random programs under random schedules: every request consumed ends in exactly one CQE, its result is one the operation
 * can have, nothing is left, and nothing ever waits for something that cannot come. */
#include <errno.h>
#include <string.h>

#include "core/base/ensure.h"
#include "core/base/prng.h"
#include "core/ring/test_ring.h"

enum { MAX_REQS = 48, NR_PIPES = 2, BUF = 64 };

struct req {
	uint8_t op;
	unsigned int len;
	bool submitted;
	char buf[BUF];
};

static struct soak {
	struct prng prng;
	struct tr r;
	unsigned int nr, owed;
	struct req req[MAX_REQS + 64];
	struct tr_pipe pipe[NR_PIPES];
	int efd, file;
} s;

static uint32_t below(uint32_t n)
{
	return prng_below(&s.prng, n);
}

static unsigned int random_flags(bool last)
{
	unsigned int flags = 0;

	if (!last && below(3) == 0)
		flags |= below(4) ? L : HL;
	if (below(5) == 0)
		flags |= A;
	if (below(16) == 0)
		flags |= DR;
	return flags;
}

static unsigned int new_req(uint8_t op, unsigned int len)
{
	struct req *q = &s.req[s.nr];

	*q = (struct req){ .op = op, .len = len };
	memset(q->buf, 'a' + (int)(s.nr % 26), sizeof(q->buf));
	return s.nr++ + 1;
}

static void random_rw(unsigned int flags, bool write)
{
	unsigned int len = 1 + below(BUF - 1);
	unsigned int ud = new_req(write ? IORING_OP_WRITE : IORING_OP_READ, len);
	char *buf = s.req[ud - 1].buf;
	unsigned int which = below(6);
	int fd;

	if (which < 4)
		fd = write ? s.pipe[which % NR_PIPES].in : s.pipe[which % NR_PIPES].out;
	else
		fd = which == 4 ? s.efd : s.file;
	if (which == 4)
		s.req[ud - 1].len = len = 8;
	if (which == 4 && write)
		memcpy(buf, &(uint64_t){ 1 }, 8);
	if (write)
		tr_write(&s.r, ud, flags, fd, buf, len);
	else
		tr_read(&s.r, ud, flags, fd, buf, len);
	if (which == 5)
		s.r.sqes[(*tr_word(&s.r, s.r.p.sq_off.tail) - 1) & (s.r.p.sq_entries - 1)].off = below(256);
}

static void random_sqe(bool last)
{
	unsigned int flags = random_flags(last);
	static const unsigned int cancel_flags[] = { 0, 0, 0, IORING_ASYNC_CANCEL_ALL,
						     IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL };
	unsigned int target = 1 + below(s.nr + 2);
	unsigned int ud;

	switch (below(10)) {
	case 0:
		tr_nop(&s.r, new_req(IORING_OP_NOP, 0), flags);
		break;
	case 1:
		tr_poll(&s.r, new_req(IORING_OP_POLL_ADD, 0), flags, below(2) ? s.pipe[below(NR_PIPES)].out : s.efd, 1);
		break;
	case 2:
		tr_timeout(&s.r, new_req(IORING_OP_TIMEOUT, 0), flags, below(2) ? below(3) * 50000 : NEVER_NS,
			   below(4));
		break;
	case 3:
		tr_lt(&s.r, new_req(IORING_OP_LINK_TIMEOUT, 0), flags, below(2) ? below(3) * 50000 : NEVER_NS);
		break;
	case 4:
		ud = new_req(IORING_OP_ASYNC_CANCEL, 0);
		tr_cancel(&s.r, ud, flags, target, cancel_flags[below(5)]);
		break;
	case 5:
		tr_timeout_remove(&s.r, new_req(IORING_OP_TIMEOUT_REMOVE, 0), flags, target);
		break;
	default:
		random_rw(flags, below(2));
	}
}

static void note_submitted(unsigned int first, int ret)
{
	for (unsigned int i = 0; ret > 0 && i < (unsigned int)ret; i++) {
		s.req[first + i].submitted = true;
		s.owed++;
	}
}

static void random_batch(void)
{
	unsigned int n = 1 + below(6);
	unsigned int first = s.nr - s.r.filled;

	while (n-- && s.nr < MAX_REQS && s.r.filled < s.r.p.sq_entries)
		random_sqe(n == 0 && below(8));
	note_submitted(first, tr_enter(&s.r, (int)below(2) - 1));
}

static void random_step(void)
{
	struct tr_pipe *p = &s.pipe[below(NR_PIPES)];
	char buf[BUF] = "direct";
	uint64_t one = 1;

	switch (below(8)) {
	case 0:
		engine_write(p->in, buf, 1 + below(8), -1, true);
		break;
	case 1:
		engine_read(p->out, buf, 1 + below(8), -1, true);
		break;
	case 2:
		engine_write(s.efd, &one, 8, -1, true);
		break;
	case 3:
		tr_wait_ns(&s.r, 1, below(100000));
		tr_reap(&s.r);
		break;
	case 4:
		tr_reap(&s.r);
		engine_relax();
		break;
	default:
		random_batch();
	}
}

static void check_result(const struct io_uring_cqe *cqe)
{
	const struct req *q = &s.req[cqe->user_data - 1];
	int res = cqe->res;

	if (res == -ECANCELED)
		return;
	switch (q->op) {
	case IORING_OP_NOP:
		T_OP(res, ==, 0);
		break;
	case IORING_OP_READ:
	case IORING_OP_WRITE:
		if (res != -EINTR && res != -EPIPE && res != -EBADF) /* looked up after the epilogue closed it */
			T(T_OP(res, >=, 0) && res <= (int)q->len);
		break;
	case IORING_OP_POLL_ADD:
		T_OP(res, >, 0);
		break;
	case IORING_OP_TIMEOUT:
		T(res == -ETIME || res == 0);
		break;
	case IORING_OP_LINK_TIMEOUT:
		T(res == -ETIME || res == -EALREADY || res == -ENOENT || res == -EINVAL);
		break;
	case IORING_OP_ASYNC_CANCEL:
		T(res >= 0 || res == -EALREADY || res == -ENOENT);
		break;
	case IORING_OP_TIMEOUT_REMOVE:
		T(res == 0 || res == -EALREADY || res == -ENOENT);
		break;
	}
}

/* Feeds and closes what may be waited for, then cancels until nothing is found. */
static void epilogue(void)
{
	unsigned int first, ud;

	for (int i = 0; i < NR_PIPES; i++) {
		char junk[4096];

		while (engine_read(s.pipe[i].out, junk, sizeof(junk), -1, true) > 0)
			;
	}
	first = s.nr - s.r.filled;
	note_submitted(first, tr_enter(&s.r, 0));
	for (int i = 0; i < NR_PIPES; i++)
		T_OP(engine_close(s.pipe[i].in), ==, 0);
	for (int tries = 0; s.r.nr < s.owed && tries < 60; tries++) {
		uint64_t one = 1;

		engine_write(s.efd, &one, 8, -1, true);
		first = s.nr - s.r.filled;
		if (s.r.filled < s.r.p.sq_entries && s.nr < MAX_REQS + 60) {
			ud = new_req(IORING_OP_ASYNC_CANCEL, 0);
			tr_cancel(&s.r, ud, 0, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
		}
		note_submitted(first, tr_enter(&s.r, 0));
		/* What a drain holds back no SQE can reach, nor what the drain waits for. */
		tr_sync_cancel(&s.r, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL, 2 * MS);
		tr_wait_ns(&s.r, s.owed - s.r.nr, 2 * MS);
		tr_reap(&s.r);
	}
}

static void soak_body(bool close_early)
{
	static const unsigned int kinds[] = { DEFAULT, COOP, DEFER };

	memset(&s, 0, sizeof(s));
	s.prng = prng_seed(test_seed() * 977 + close_early);
	tr_open_cq(&s.r, 1u << (1 + below(4)), 16, kinds[below(3)] | (below(2) ? IORING_SETUP_SUBMIT_ALL : 0));
	for (int i = 0; i < NR_PIPES; i++)
		tr_pipe(&s.pipe[i]);
	s.efd = engine_eventfd(0, 0);
	s.file = tr_temp_file(256);
	ENSURE_OP(s.efd, >=, 0);
	if (below(2))
		tr_max_workers(&s.r, 1 + below(2), 1 + below(2));
	for (unsigned int n = 4 + below(10); n; n--)
		random_step();
	if (!close_early) {
		epilogue();
		T_OP(s.r.nr, ==, s.owed);
		for (unsigned int i = 0; i < s.nr; i++)
			T_OP(tr_count(&s.r, i + 1), ==, (unsigned int)s.req[i].submitted);
		for (unsigned int i = 0; i < s.r.nr; i++)
			check_result(&s.r.seen[i]);
		tr_close(&s.r);
	} else if (below(2)) {
		tr_close(&s.r);
	} else if (below(2)) {
		engine_process_exit();
	}
}

ENGINE_TEST(test_soak, 2000)
{
	soak_body(false);
}

/* The ring is closed, or the process exits, with requests in flight. */
ENGINE_TEST(test_soak_end, 1000)
{
	soak_body(true);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_soak),
	CHECK_TEST(test_soak_end),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
