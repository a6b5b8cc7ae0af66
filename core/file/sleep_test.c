/* Reads and writes that sleep, regular files, and what a stuck run leaves. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/file/test_io.h"

#define SCHEDULES 300

static bool time_is_virtual;

static void probe_time(void *arg)
{
	uint64_t before = sched_now();

	(void)arg;
	sched_advance(3600000000000u);
	time_is_virtual = sched_now() - before >= 3600000000000u;
}

/* Runs fn(&seed) on many schedules, on threads on fewer; seed 0 switches no task without need. */
static void run_schedules(sched_task_fn *fn, unsigned int seeds)
{
	struct sched_config cfg = { .strategy = SCHED_REPLAY, .max_points = 1000000 };
	struct sched_result res;

	sched_run(&cfg, probe_time, NULL, &res);
	for (unsigned int seed = 0; seed <= (time_is_virtual ? seeds : 1 + seeds / 20); seed++) {
		cfg.seed = seed;
		file_reset_identities();
		sched_run(&cfg, fn, &seed, &res);
		cfg.strategy = SCHED_WALK;
		if (CHECK_OP((int)res.end, ==, SCHED_DONE))
			continue;
		printf("seed %u: %s\n", seed, res.stuck);
		file_abandon_all();
		return;
	}
}

/* ---- sleeping ---- */

struct job {
	struct sched_task *task;
	struct file *f;
	char buf[16];
	size_t len;
	ssize_t ret;
	struct atomic32 asleep;
	struct sched_task *tells;
};

static void job_sleeping(void *arg)
{
	struct job *j = arg;

	a32_store(&j->asleep, 1);
	sched_unpark(j->tells);
}

static void job_running(void *arg)
{
	(void)arg;
}

static void read_job(void *arg)
{
	struct job *j = arg;

	sched_set_hooks(job_sleeping, job_running, j);
	j->ret = file_read_wait(j->f, j->buf, j->len, -1);
}

static char big[300000];

static void write_job(void *arg)
{
	struct job *j = arg;

	sched_set_hooks(job_sleeping, job_running, j);
	j->ret = file_write_wait(j->f, j->len > 8 ? big : j->buf, j->len, -1);
}

static void start(struct job *j, sched_task_fn *fn, struct file *f, size_t len)
{
	memset(j, 0, sizeof(*j));
	j->f = f;
	j->len = len;
	j->tells = sched_self();
	memcpy(j->buf, &(uint64_t){ 1 }, 8);
	CHECK_OP(sched_spawn(&j->task, "job", fn, j), ==, 0);
}

static void wait_flag(struct atomic32 *flag)
{
	while (!a32_load(flag))
		sched_park(SCHED_NEVER);
}

static ssize_t finish(struct job *j)
{
	sched_join(j->task);
	return j->ret;
}

static void sleeping_reader(void *arg)
{
	struct file *p[2];
	struct job j;

	CHECK_OP(file_make_pipe(p, 0, false), ==, 0);
	start(&j, read_job, p[0], 8);
	if (*(unsigned int *)arg % 2)
		wait_flag(&j.asleep);
	CHECK_OP(wr(p[1], "hello", 5), ==, 5);
	CHECK_OP(finish(&j), ==, 5);
	CHECK_STR(j.buf, "hello");
	start(&j, read_job, p[0], 8);
	file_put(p[1]);
	CHECK_OP(finish(&j), ==, 0); /* EOF wakes it, too */
	file_put(p[0]);
}

static void test_a_reader_sleeps_until_there_are_bytes_or_no_writer(void)
{
	run_schedules(sleeping_reader, SCHEDULES);
}

/* One write for two readers: what the first leaves must reach the second, whoever is woken and whoever is interrupted. */
static void two_readers(void *arg)
{
	unsigned int how = *(unsigned int *)arg % 3;
	struct file *p[2];
	struct job a, b;
	char rest[8];

	CHECK_OP(file_make_pipe(p, 0, false), ==, 0);
	start(&a, read_job, p[0], 2);
	start(&b, read_job, p[0], 2);
	if (how)
		wait_flag(&a.asleep);
	if (how == 2)
		wait_flag(&b.asleep);
	CHECK_OP(wr(p[1], "abcd", 4), ==, 4);
	CHECK_OP(finish(&a), ==, 2);
	CHECK_OP(finish(&b), ==, 2);
	start(&a, read_job, p[0], 2);
	start(&b, read_job, p[0], 2);
	if (how)
		wait_flag(&a.asleep);
	CHECK_OP(wr(p[1], "ef", 2), ==, 2);
	sched_notify(a.task);
	if (finish(&a) == 2) { /* a was faster than its notification */
		CHECK_OP(wr(p[1], "gh", 2), ==, 2);
	} else {
		CHECK_OP(a.ret, ==, -EINTR);
	}
	CHECK_OP(finish(&b), ==, 2);
	CHECK_OP(rd(p[0], rest, 8), ==, -EAGAIN);
	file_put(p[0]);
	file_put(p[1]);
}

static void test_no_wakeup_is_lost_between_readers(void)
{
	run_schedules(two_readers, 4 * SCHEDULES);
}

static void notified_reader(void *arg)
{
	struct file *p[2], *e;
	struct job j;
	char buf[8];

	CHECK_OP(file_make_pipe(p, 0, false), ==, 0);
	CHECK_OP(file_make_eventfd(&e, 0, false, false), ==, 0);
	start(&j, read_job, p[0], 8);
	if (*(unsigned int *)arg % 2)
		wait_flag(&j.asleep);
	sched_notify(j.task);
	CHECK_OP(finish(&j), ==, -EINTR);
	CHECK_OP(wr(p[1], "x", 1), ==, 1);
	CHECK_OP(rd(p[0], buf, 8), ==, 1); /* nothing was taken */
	start(&j, read_job, e, 8);
	sched_notify(j.task);
	CHECK_OP(finish(&j), ==, -EINTR);
	CHECK_OP(file_read_wait(e, buf, 4, -1), ==, -EINVAL);
	CHECK_OP(file_read_wait(p[1], buf, 4, -1), ==, -EBADF);
	CHECK_OP(file_write_wait(p[0], buf, 4, -1), ==, -EBADF);
	file_put(e);
	file_put(p[0]);
	file_put(p[1]);
}

static void test_a_notified_reader_ends_with_eintr(void)
{
	run_schedules(notified_reader, SCHEDULES);
}

static void long_write(void *arg)
{
	unsigned int how = *(unsigned int *)arg % 3;
	static char got[8192];
	size_t sum = 0;
	struct file *p[2];
	struct job j;

	CHECK_OP(file_make_pipe(p, 0, false), ==, 0);
	start(&j, write_job, p[1], sizeof(big));
	if (how == 0) { /* read it all */
		while (sum < sizeof(big)) {
			ssize_t n = file_read_wait(p[0], got, sizeof(got), -1);

			if (!CHECK_OP(n, >, 0))
				break;
			sum += (size_t)n;
		}
		CHECK_OP(finish(&j), ==, (ssize_t)sizeof(big));
	} else if (how == 1) { /* interrupt it */
		wait_flag(&j.asleep);
		sched_notify(j.task);
		CHECK_OP(finish(&j), ==, 65536);
	} else { /* take its reader away */
		wait_flag(&j.asleep);
		CHECK_OP(rd(p[0], got, 4096), ==, 4096);
		file_put(p[0]);
		CHECK_OP(finish(&j), >=, 65536);
		CHECK_OP(j.ret, <=, 65536 + 4096);
		CHECK_OP(file_write_wait(p[1], got, 1, -1), ==, -EPIPE);
	}
	if (how != 2)
		file_put(p[0]);
	file_put(p[1]);
}

static void test_a_long_write_goes_on_until_done_or_interrupted(void)
{
	run_schedules(long_write, SCHEDULES);
}

static void nonblocking(void *arg)
{
	struct file *p[2];
	char buf[8];

	CHECK_OP(file_make_pipe(p, 0, true), ==, 0);
	CHECK_OP(file_read_wait(p[0], buf, 8, -1), ==, -EAGAIN);
	CHECK_OP(file_write_wait(p[1], big, sizeof(big), -1), ==, 65536);
	CHECK_OP(file_write_wait(p[1], big, sizeof(big), -1), ==, -EAGAIN);
	file_put(p[0]);
	file_put(p[1]);
}

static void test_a_nonblocking_file_never_sleeps(void)
{
	run_schedules(nonblocking, 1);
}

static void eventfd_waits(void *arg)
{
	uint64_t top = UINT64_MAX - 1, v;
	struct job r[2], w;
	struct file *e;

	CHECK_OP(file_make_eventfd(&e, 0, false, true), ==, 0);
	start(&r[0], read_job, e, 8);
	start(&r[1], read_job, e, 8);
	v = 2;
	CHECK_OP(wr(e, &v, 8), ==, 8); /* one write for two readers */
	CHECK_OP(finish(&r[0]), ==, 8);
	CHECK_OP(finish(&r[1]), ==, 8);
	CHECK_OP(wr(e, &top, 8), ==, 8);
	start(&w, write_job, e, 8);
	wait_flag(&w.asleep);
	CHECK_OP(rd(e, &v, 8), ==, 8);
	CHECK_OP(finish(&w), ==, 8);
	file_put(e);
}

static void test_eventfd_readers_and_writers_wait_for_each_other(void)
{
	run_schedules(eventfd_waits, SCHEDULES);
}

/* Several readers and writers on a small pipe: every byte arrives once, and nobody is left asleep. */
#define CROWD 3
#define EACH 9000u

static void crowd_read(void *arg)
{
	struct job *j = arg;
	static char sink[CROWD][5000];
	char *buf = sink[j->len];
	ssize_t n;

	while ((n = file_read_wait(j->f, buf, 100 + 1700 * j->len, -1)) > 0)
		j->ret += n;
	CHECK_OP(n, ==, 0);
}

static void crowd_write(void *arg)
{
	struct job *j = arg;

	j->ret = file_write_wait(j->f, big, EACH, -1);
}

static void crowd(void *arg)
{
	struct job r[CROWD], w[CROWD];
	struct file *p[2];
	ssize_t sum = 0;

	CHECK_OP(file_make_pipe(p, 8192, false), ==, 0);
	for (size_t i = 0; i < CROWD; i++) {
		start(&r[i], crowd_read, p[0], i);
		start(&w[i], crowd_write, p[1], i);
	}
	for (int i = 0; i < CROWD; i++)
		CHECK_OP(finish(&w[i]), ==, (ssize_t)EACH);
	file_put(p[1]);
	for (int i = 0; i < CROWD; i++)
		sum += finish(&r[i]);
	CHECK_OP(sum, ==, (ssize_t)(CROWD * EACH));
	file_put(p[0]);
}

static void test_a_crowd_on_a_small_pipe_loses_nothing(void)
{
	run_schedules(crowd, 2 * SCHEDULES);
}

/* ---- regular files ---- */

static int scratch(void)
{
	int fd = memfd_create("scratch", MFD_CLOEXEC);

	ENSURE_OP(fd, >=, 0);
	return fd;
}

static void regular(void *arg)
{
	struct file *f, *same, *other, *none;
	int fd = scratch(), again = dup(fd), p[2];
	char buf[8] = "";
	uint64_t size;

	CHECK_OP(file_make_regular(&f, fd), ==, 0);
	CHECK_OP(file_make_regular(&same, again), ==, 0);
	CHECK_OP(file_make_regular(&other, scratch()), ==, 0);
	CHECK_OP(f->identity, ==, same->identity);
	CHECK_OP(f->identity, !=, other->identity);
	CHECK(f->regular && !f->ops->poll && !f->nowait && !f->nowait_write);
	CHECK_OP(file_write_wait(f, "abcdefg", 7, -1), ==, 7);
	CHECK_OP(wr(f, "h", 1), ==, 1); /* the position has moved */
	CHECK_OP(file_read_wait(same, buf, 3, 5), ==, 3);
	CHECK_STR(buf, "fgh");
	CHECK_OP(rd(same, buf, 2), ==, 2); /* a position of its own */
	CHECK_STR(buf, "abh");
	CHECK_OP(file_read_wait(f, buf, 8, -1), ==, 0);
	CHECK_OP(file_write_wait(f, "", 0, -1), ==, 0);
	CHECK_OP(file_write_wait(f, "Z", 1, 0), ==, 1);
	CHECK_OP(file_size(f, &size), ==, 0);
	CHECK_OP(size, ==, 8u);
	CHECK_OP(pipe(p), ==, 0);
	CHECK_OP(file_make_regular(&none, p[0]), ==, -EINVAL);
	CHECK_OP(close(p[0]), ==, -1); /* taken over all the same */
	close(p[1]);
	file_put(f);
	file_put(same);
	file_put(other);
}

static void test_regular_files(void)
{
	run_schedules(regular, 3);
}

static void open_job(void *arg)
{
	struct job *j = arg;

	j->ret = file_make_regular(&j->f, (int)j->len);
}

static void same_inode(void *arg)
{
	int fd = scratch();
	struct job a, b;

	start(&a, open_job, NULL, (size_t)dup(fd));
	start(&b, open_job, NULL, (size_t)dup(fd));
	CHECK_OP(finish(&a), ==, 0);
	CHECK_OP(finish(&b), ==, 0);
	CHECK_OP(a.f->identity, ==, b.f->identity);
	file_put(a.f);
	file_put(b.f);
	close(fd);
}

static void test_files_of_one_inode_share_an_identity(void)
{
	run_schedules(same_inode, SCHEDULES);
}

static unsigned int seen_mixed;

static void mixed_writer(void *arg)
{
	struct job *j = arg;

	j->ret = file_write_wait(j->f, j->len ? "BB" : "AA", 2, 0);
}

static void mixing_writes(void *arg)
{
	struct job a, b;
	struct file *f;
	char buf[3] = "";

	CHECK_OP(file_make_regular(&f, scratch()), ==, 0);
	start(&a, mixed_writer, f, 0);
	start(&b, mixed_writer, f, 1);
	CHECK_OP(finish(&a), ==, 2);
	CHECK_OP(finish(&b), ==, 2);
	CHECK_OP(rd(f, buf, 2), ==, 2);
	seen_mixed += buf[0] != buf[1];
	file_put(f);
}

static void test_writes_at_once_can_be_seen_in_the_file(void)
{
	seen_mixed = 0;
	run_schedules(mixing_writes, SCHEDULES);
	if (time_is_virtual)
		CHECK_OP(seen_mixed, >, 0u);
}

/* ---- what a stuck run leaves ---- */

static int lowest_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static void stuck(void *arg)
{
	static struct job j;
	struct file *p[2], *e, *f;
	struct fdtable *t = fdtable_new(NULL);

	CHECK_OP(file_make_pipe(p, 0, false), ==, 0);
	CHECK_OP(file_make_eventfd(&e, 0, false, false), ==, 0);
	CHECK_OP(file_make_regular(&f, scratch()), ==, 0);
	fdtable_install(t, p[0]);
	wr(p[1], "a", 1);
	start(&j, read_job, e, 8);
	sched_join(j.task);
}

static void test_a_stuck_run_can_be_thrown_away(void)
{
	struct sched_config cfg = { .strategy = SCHED_WALK };
	struct sched_result res;
	int before;

	run_schedules(regular, 1);
	if (!time_is_virtual) {
		check_skip("threads cannot be thrown away");
		return;
	}
	file_drop_cache();
	before = lowest_fd();
	for (cfg.seed = 0; cfg.seed < 20; cfg.seed++) {
		sched_run(&cfg, stuck, NULL, &res);
		CHECK_OP((int)res.end, ==, SCHED_QUIESCENT);
		file_abandon_all();
		CHECK_OP(lowest_fd(), ==, before);
		run_schedules(sleeping_reader, 2);
		file_drop_cache();
	}
}

static const struct check_test tests[] = {
	CHECK_TEST(test_a_reader_sleeps_until_there_are_bytes_or_no_writer),
	CHECK_TEST(test_no_wakeup_is_lost_between_readers),
	CHECK_TEST(test_a_notified_reader_ends_with_eintr),
	CHECK_TEST(test_a_long_write_goes_on_until_done_or_interrupted),
	CHECK_TEST(test_a_nonblocking_file_never_sleeps),
	CHECK_TEST(test_eventfd_readers_and_writers_wait_for_each_other),
	CHECK_TEST(test_a_crowd_on_a_small_pipe_loses_nothing),
	CHECK_TEST(test_regular_files),
	CHECK_TEST(test_files_of_one_inode_share_an_identity),
	CHECK_TEST(test_writes_at_once_can_be_seen_in_the_file),
	CHECK_TEST(test_a_stuck_run_can_be_thrown_away),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
