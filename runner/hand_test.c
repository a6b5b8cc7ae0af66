#include "runner/hand_test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "runner/hand_shared.h"
#include "stream/parse.h"

static struct stream nops, endless, exits;

/* Long enough for a hand to be caught at it. */
enum { MANY = 5000000 };

static bool parse(const char *text, struct stream *s)
{
	struct diag d;

	diag_init(&d, "stream");
	if (CHECK_OP(stream_parse(text, strlen(text), s, &d), ==, 0))
		return true;
	diag_print(&d, stdout);
	return false;
}

static bool start(struct hand **h, uint64_t hang_ns)
{
	struct hand_options o = { .runner = leg_runner, .cpu = -1, .hang_ns = hang_ns };
	const char *why = NULL;
	int ret = hand_start(h, &o, &why);

	if (ret == -EOPNOTSUPP || ret == -ENOSYS || ret == -EPERM) {
		check_skip(why ? why : "no io_uring here");
		return false;
	}
	if (!CHECK_OP(ret, ==, 0)) {
		printf("why: %s\n", why ? why : "-");
		return false;
	}
	return parse("augur 1\nring r entries=8\nsubmit r\n  a: nop\n  b: nop\nwait r 2\n", &nops) &&
	       parse("augur 1\nring r entries=8\nsubmit r\n  a: nop\n", &endless) &&
	       parse("augur 1\nring r entries=8\npipe p\nsubmit r wait=1\n  a: read fd=p.out len=8\nexit process\n",
		     &exits);
}

static void post(struct hand *h, unsigned int slot, const struct stream *s, uint32_t repeat)
{
	struct job *job = hand_job(h, slot);

	job->stream = *s;
	job->options = (struct job_options){ .seed = 1, .repeat = repeat, .reuse = repeat > 1 };
	hand_post(h, slot);
}

static unsigned int count(const struct record *rec, enum rec_kind kind)
{
	unsigned int n = 0;

	for (uint32_t i = 0; i < rec->nr; i++)
		n += rec->ev[i].kind == kind;
	return n;
}

static void check_ran(struct hand *h, unsigned int slot)
{
	struct job *job = hand_job(h, slot);

	if (!CHECK_OP(hand_wait(h, slot, NULL), ==, 0))
		return;
	CHECK_OP(job->error, ==, 0);
	CHECK(job->record.flags & RECF_COMPLETE);
	CHECK_OP(job->record.runner, ==, leg_runner);
	CHECK_OP(count(&job->record, REC_HAND), ==, 0u);
	CHECK_OP(count(&job->record, REC_CQE), >=, 2u);
	CHECK_OP(job->cpu_ns, >, (uint64_t)0);
}

/* The job of slot died: its record is not complete and ends with REC_HAND. */
static const struct rec_event *check_died(struct hand *h, unsigned int slot)
{
	static const struct rec_event none = { .flags = UINT32_MAX };
	const struct record *rec = &hand_job(h, slot)->record;

	if (!CHECK_OP(hand_wait(h, slot, NULL), ==, 0) || !CHECK_OP(rec->nr, >, 0u))
		return &none;
	CHECK(!(rec->flags & RECF_COMPLETE));
	CHECK_OP(rec->ev[rec->nr - 1].kind, ==, REC_HAND);
	return &rec->ev[rec->nr - 1];
}

static void until_running(struct hand *h, unsigned int slot)
{
	struct timespec ts = { .tv_nsec = 2000000 };

	for (unsigned int i = 0; i < 1000 && __atomic_load_n(&hand_job(h, slot)->state, __ATOMIC_ACQUIRE) == JOB_POSTED;
	     i++)
		nanosleep(&ts, NULL);
}

static void test_jobs(void)
{
	struct hand *h;

	if (!start(&h, 0))
		return;
	for (unsigned int i = 0; i < HAND_SLOTS; i++)
		post(h, i, &nops, 0);
	for (unsigned int round = 0; round < 10; round++)
		for (unsigned int i = 0; i < HAND_SLOTS; i++) {
			check_ran(h, i);
			post(h, i, &nops, 0);
		}
	for (unsigned int i = 0; i < HAND_SLOTS; i++)
		check_ran(h, i);
	CHECK_OP(hand_restarts(h), ==, 0u);
	hand_stop(h);
}

static void test_invalid(void)
{
	struct hand *h;

	if (!start(&h, 0))
		return;
	hand_job(h, 3)->stream = nops;
	hand_job(h, 3)->stream.steps[0].ring = 7;
	hand_post(h, 3);
	CHECK_OP(hand_wait(h, 3, NULL), ==, 0);
	CHECK_OP(hand_job(h, 3)->error, ==, -EINVAL);
	CHECK(hand_job(h, 3)->why[0] != '\0');
	hand_stop(h);
}

static void test_killed(void)
{
	const struct rec_event *e;
	struct hand *h;
	pid_t first;

	if (!start(&h, 0))
		return;
	first = hand_pid(h);
	post(h, 0, &endless, MANY);
	post(h, 1, &nops, 0);
	until_running(h, 0);
	kill(first, SIGKILL);
	e = check_died(h, 0);
	CHECK_OP(e->flags, ==, (uint32_t)HAND_KILLED);
	CHECK_OP(e->a, ==, (uint64_t)SIGKILL);
	check_ran(h, 1);
	CHECK_OP(hand_restarts(h), ==, 1u);
	CHECK_OP(hand_pid(h), !=, first);
	hand_stop(h);
}

static void test_hung(void)
{
	const struct rec_event *e;
	struct hand *h;

	if (!start(&h, 300000000))
		return;
	post(h, 0, &endless, MANY);
	post(h, 1, &nops, 0);
	until_running(h, 0);
	kill(hand_pid(h), SIGSTOP);
	e = check_died(h, 0);
	CHECK_OP(e->flags, ==, (uint32_t)HAND_HUNG);
	check_ran(h, 1);
	CHECK_OP(hand_restarts(h), ==, 1u);
	hand_stop(h);
}

/* A hand that dies between jobs is nobody's fault. */
static void test_idle_death(void)
{
	struct hand *h;

	if (!start(&h, 0))
		return;
	post(h, 0, &nops, 0);
	check_ran(h, 0);
	kill(hand_pid(h), SIGSTOP);
	post(h, 0, &nops, 0);
	kill(hand_pid(h), SIGKILL);
	check_ran(h, 0);
	CHECK_OP(hand_restarts(h), ==, 1u);
	hand_stop(h);
}

static void test_stop_flag(void)
{
	static volatile const int stop = 1;
	struct hand *h;

	if (!start(&h, 0))
		return;
	post(h, 0, &endless, MANY);
	CHECK_OP(hand_wait(h, 0, &stop), ==, -EINTR);
	hand_stop(h);
}

/* In the process that will be killed: has a hand run a stream that takes its time, and says so. */
static _Noreturn void brain(int out, const struct stream *s, uint32_t repeat)
{
	struct hand *h;

	if (start(&h, 0)) {
		post(h, 0, s, repeat);
		until_running(h, 0);
	}
	if (write(out, "x", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* In a process that has no other children: kills a brain, and counts the orphans it leaves, which become ours, until
 * none is there any more. The exit status: 0 if at least the hand came and all of them died in time. */
static int count_orphans(const struct stream *s, uint32_t repeat)
{
	struct timespec ts = { .tv_nsec = 5000000 };
	unsigned int orphans = 0;
	int ends[2];
	pid_t child;
	char c;

	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || pipe(ends) < 0)
		return 2;
	child = fork();
	if (child == 0)
		brain(ends[1], s, repeat);
	if (child < 0 || read(ends[0], &c, 1) != 1)
		return 2;
	nanosleep(&ts, NULL);
	kill(child, SIGKILL);
	for (unsigned int i = 0; i < 400; i++) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0)
			return orphans == 0;
		orphans += pid > 0 && pid != child;
		if (pid == 0)
			nanosleep(&ts, NULL);
	}
	return 3;
}

/* When the brain is killed, its hand dies, and what the hand has forked. */
static void check_no_orphan(const struct stream *s, uint32_t repeat)
{
	pid_t child = fork();
	int status = -1;

	if (child == 0)
		_exit(count_orphans(s, repeat));
	CHECK_OP(waitpid(child, &status, 0), ==, child);
	CHECK_OP(status, ==, 0);
}

static void test_no_orphan(void)
{
	struct hand *h;

	if (!start(&h, 0))
		return;
	hand_stop(h);
	check_no_orphan(&endless, MANY);
	check_no_orphan(&exits, 0);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_jobs),	     CHECK_TEST(test_invalid),	 CHECK_TEST(test_killed),    CHECK_TEST(test_hung),
	CHECK_TEST(test_idle_death), CHECK_TEST(test_stop_flag), CHECK_TEST(test_no_orphan),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
