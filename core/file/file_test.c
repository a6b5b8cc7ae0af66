/* Wait queues, pipes, eventfds and descriptors, without anybody asleep. */
#include <fcntl.h>

#include "core/file/test_io.h"

#define IN (EPOLLIN | EPOLLRDNORM)
#define OUT (EPOLLOUT | EPOLLWRNORM)

/* ---- wait queues ---- */

struct sleeper {
	struct wait_entry e;
	char name;
	bool keeps, refuses; /* stays linked; says no */
};

static char woken[32];

static bool note_wake(struct wait_entry *e, unsigned int mask)
{
	struct sleeper *s = container_of(e, struct sleeper, e);
	size_t len = strlen(woken);

	(void)mask;
	woken[len] = s->name;
	woken[len + 1] = '\0';
	if (!s->keeps)
		wait_unlink_locked(e);
	return !s->refuses;
}

static const char *wake(struct wait_queue *q, unsigned int nr_exclusive)
{
	woken[0] = '\0';
	wait_wake(q, EPOLLIN, nr_exclusive);
	return woken;
}

static void add_sleeper(struct wait_queue *q, struct sleeper *s, char name, bool exclusive)
{
	memset(s, 0, sizeof(*s));
	list_init(&s->e.node);
	s->e.exclusive = exclusive;
	s->e.wake = note_wake;
	s->name = name;
	wait_add(q, &s->e);
}

static void test_plain_waiters_wake_last_first_exclusive_first_first(void)
{
	struct wait_queue q;
	struct sleeper s[6];

	wait_queue_init(&q);
	add_sleeper(&q, &s[0], 'a', false);
	add_sleeper(&q, &s[1], 'X', true);
	add_sleeper(&q, &s[2], 'b', false);
	add_sleeper(&q, &s[3], 'Y', true);
	add_sleeper(&q, &s[4], 'c', false);
	add_sleeper(&q, &s[5], 'Z', true);
	s[0].keeps = true;
	CHECK_STR(wake(&q, 1), "cbaX");
	CHECK_STR(wake(&q, 1), "aY");
	CHECK(wait_active(&q));
	CHECK(wait_remove(&q, &s[0].e));
	CHECK(!wait_remove(&q, &s[0].e));
	CHECK(!wait_remove(&q, &s[4].e)); /* unlinked when it was woken */
	CHECK_STR(wake(&q, 0), "Z");
	CHECK(!wait_active(&q));
	wait_queue_destroy(&q);
}

static void test_an_exclusive_waiter_that_says_no_does_not_count(void)
{
	struct wait_queue q;
	struct sleeper s[4];

	wait_queue_init(&q);
	add_sleeper(&q, &s[0], 'W', true);
	add_sleeper(&q, &s[1], 'X', true);
	add_sleeper(&q, &s[2], 'Y', true);
	add_sleeper(&q, &s[3], 'Z', true);
	s[0].refuses = true;
	CHECK_STR(wake(&q, 2), "WXY");
	CHECK_STR(wake(&q, 0), "Z");
	wait_queue_destroy(&q);
}

/* ---- pipes, without sleeping ---- */

static void test_pipe_moves_bytes_and_says_what_is_ready(void)
{
	struct file *p[2];
	char buf[8] = "";

	if (!CHECK_OP(file_make_pipe(p, 4096, false), ==, 0))
		return;
	CHECK(p[0]->can_read && !p[0]->can_write && p[1]->can_write && !p[1]->can_read);
	CHECK(p[0]->nowait && p[1]->nowait_write && p[0]->identity == p[1]->identity);
	CHECK_OP(p[0]->ops->poll(p[0]), ==, 0u);
	CHECK_OP(p[1]->ops->poll(p[1]), ==, (unsigned int)OUT);
	CHECK_OP(rd(p[0], buf, 8), ==, -EAGAIN);
	CHECK_OP(rd(p[0], buf, 0), ==, 0);
	CHECK_OP(wr(p[1], "abc", 3), ==, 3);
	CHECK_OP(p[0]->ops->poll(p[0]), ==, (unsigned int)IN);
	CHECK_OP(p[1]->ops->poll(p[1]), ==, 0u); /* one slot, and it is in use */
	CHECK_OP(wr(p[1], "abcd", 0), ==, 0);
	CHECK_OP(rd(p[0], buf, 2), ==, 2);
	CHECK_OP(rd(p[0], buf + 2, 5), ==, 1);
	CHECK_STR(buf, "abc");
	CHECK_OP(wr(p[1], NULL, 8), ==, -EFAULT);
	file_put(p[0]);
	file_put(p[1]);
}

static void test_pipe_partial_write_and_full(void)
{
	static char big[70000];
	struct file *p[2];

	if (!CHECK_OP(file_make_pipe(p, 0, false), ==, 0))
		return;
	CHECK_OP(wr(p[1], big, sizeof(big)), ==, 65536);
	CHECK_OP(wr(p[1], big, 1), ==, -EAGAIN);
	CHECK_OP(rd(p[0], big, 100), ==, 100); /* no slot has become free by that */
	CHECK_OP(p[1]->ops->poll(p[1]), ==, 0u);
	CHECK_OP(rd(p[0], big, 4000), ==, 4000);
	CHECK_OP(p[1]->ops->poll(p[1]), ==, (unsigned int)OUT);
	file_put(p[1]);
	CHECK_OP(p[0]->ops->poll(p[0]), ==, (unsigned int)(IN | EPOLLHUP));
	file_put(p[0]);
}

static void test_pipe_ends_eof_and_epipe(void)
{
	struct file *p[2];
	char buf[8];

	if (!CHECK_OP(file_make_pipe(p, 0, false), ==, 0))
		return;
	CHECK_OP(wr(p[1], "xy", 2), ==, 2);
	file_put(p[1]);
	CHECK_OP(rd(p[0], buf, 8), ==, 2);
	CHECK_OP(rd(p[0], buf, 8), ==, 0);
	CHECK_OP(p[0]->ops->poll(p[0]), ==, (unsigned int)EPOLLHUP);
	file_put(p[0]);
	if (!CHECK_OP(file_make_pipe(p, 0, false), ==, 0))
		return;
	file_put(p[0]);
	CHECK_OP(wr(p[1], "xy", 2), ==, -EPIPE); /* and no SIGPIPE */
	CHECK_OP(wr(p[1], "xy", 0), ==, 0);
	CHECK_OP(p[1]->ops->poll(p[1]), ==, (unsigned int)(OUT | EPOLLERR));
	file_put(p[1]);
}

static void test_kept_pipes_are_empty_again(void)
{
	static char left[70000];
	struct file *p[2];
	char buf[8];

	for (int i = 0; i < 3; i++) {
		if (!CHECK_OP(file_make_pipe(p, i == 1 ? 8192 : 0, false), ==, 0))
			return;
		CHECK_OP(rd(p[0], buf, 8), ==, -EAGAIN);
		CHECK_OP(p[1]->ops->poll(p[1]), ==, (unsigned int)OUT);
		CHECK_OP(wr(p[1], left, sizeof(left)), ==, i == 1 ? 8192 : 65536);
		file_put(p[0]);
		file_put(p[1]);
	}
	file_drop_cache();
}

static void test_reopened_ends(void)
{
	struct file *p[2], *reader, *writer;
	char buf[8];

	if (!CHECK_OP(file_make_pipe(p, 0, false), ==, 0))
		return;
	CHECK_OP(file_reopen_pipe(&reader, p[1], O_RDONLY | O_NONBLOCK), ==, 0);
	CHECK(reader->nonblock && reader->can_read && reader->identity == p[0]->identity);
	file_put(p[0]);
	CHECK_OP(wr(p[1], "ab", 2), ==, 2); /* there is a reader still */
	CHECK_OP(rd(reader, buf, 8), ==, 2);
	file_put(reader);
	CHECK_OP(file_reopen_pipe(&writer, p[1], O_WRONLY), ==, -ENXIO);
	CHECK_OP(file_reopen_pipe(&writer, p[1], O_RDWR), ==, -EINVAL);
	CHECK_OP(file_reopen_pipe(&reader, p[1], O_RDONLY), ==, 0);
	file_put(p[1]);
	CHECK_OP(reader->ops->poll(reader), ==, (unsigned int)EPOLLHUP);
	CHECK_OP(file_reopen_pipe(&writer, reader, O_WRONLY), ==, 0);
	CHECK_OP(reader->ops->poll(reader), ==, 0u);
	CHECK_OP(rd(reader, buf, 8), ==, -EAGAIN);
	file_put(writer);
	CHECK_OP(rd(reader, buf, 8), ==, 0);
	CHECK_OP(file_reopen_pipe(&writer, reader, O_RDONLY), ==,
		 0); /* opened after the last writer: no hang-up seen */
	CHECK_OP(writer->ops->poll(writer), ==, 0u);
	file_put(writer);
	file_put(reader);
}

/* ---- who is woken ---- */

static void test_pipe_wakes_readers_and_writers(void)
{
	static char big[65536];
	struct sleeper r[3], w;
	struct file *p[2];

	if (!CHECK_OP(file_make_pipe(p, 0, false), ==, 0))
		return;
	CHECK(p[0]->wait != p[1]->wait);
	add_sleeper(p[0]->wait, &r[0], 'p', false);
	r[0].keeps = true;
	add_sleeper(p[0]->wait, &r[1], 'X', true);
	add_sleeper(p[0]->wait, &r[2], 'Y', true);
	add_sleeper(p[1]->wait, &w, 'w', false);
	w.keeps = true;
	woken[0] = '\0';
	wr(p[1], "a", 1);
	CHECK_STR(woken, "pX"); /* all pollers, one reader */
	wr(p[1], "", 0);
	CHECK_STR(woken, "pX");
	woken[0] = '\0';
	rd(p[0], big, 1);
	CHECK_STR(woken, ""); /* it was not full */
	wr(p[1], big, 65536);
	woken[0] = '\0';
	rd(p[0], big, 100);
	CHECK_STR(woken, ""); /* no slot is free */
	rd(p[0], big, 4000);
	CHECK_STR(woken, "w");
	woken[0] = '\0';
	rd(p[0], big, 4000);
	CHECK_STR(woken, "");
	file_put(p[1]);
	CHECK_STR(woken, "pw"); /* the end of the last writer wakes everybody */
	wait_remove(p[0]->wait, &r[0].e);
	wait_remove(p[0]->wait, &w.e); /* of the other queue; nobody else is here */
	file_put(p[0]);
}

static void test_eventfd_rules(void)
{
	uint64_t v = 5, top = UINT64_MAX, two[2] = { 1, 1 };
	struct file *e, *s;

	CHECK_OP(file_make_eventfd(&e, UINT64_MAX, false, false), ==, -EINVAL);
	if (!CHECK_OP(file_make_eventfd(&e, 0, false, false), ==, 0))
		return;
	CHECK(e->nowait && !e->nowait_write);
	CHECK_OP(e->ops->poll(e), ==, (unsigned int)EPOLLOUT);
	CHECK_OP(rd(e, &v, 8), ==, -EAGAIN);
	CHECK_OP(rd(e, &v, 7), ==, -EINVAL);
	CHECK_OP(wr(e, &v, 7), ==, -EINVAL);
	CHECK_OP(wr(e, two, 16), ==, -EINVAL);
	CHECK_OP(wr(e, &top, 8), ==, -EINVAL);
	CHECK_OP(wr(e, &v, 8), ==, 8);
	CHECK_OP(wr(e, &v, 8), ==, 8);
	CHECK_OP(e->ops->poll(e), ==, (unsigned int)(EPOLLIN | EPOLLOUT));
	CHECK_OP(rd(e, two, 16), ==, 8);
	CHECK_OP(two[0], ==, 10u);
	top--;
	CHECK_OP(wr(e, &top, 8), ==, 8);
	CHECK_OP(e->ops->poll(e), ==, (unsigned int)EPOLLIN);
	CHECK_OP(wr(e, &v, 8), ==, -EAGAIN);
	file_put(e);
	if (!CHECK_OP(file_make_eventfd(&s, 1ull << 33, true, true), ==, 0))
		return;
	CHECK(s->nonblock && s->nowait_write);
	CHECK_OP(rd(s, &v, 8), ==, 8);
	CHECK_OP(v, ==, 1u);
	CHECK_OP(file_write_wait(s, &top, 8, -1), ==, -EAGAIN);
	file_put(s);
}

/* ---- references and descriptors ---- */

static void test_a_reference_keeps_a_closed_file_alive(void)
{
	struct fdtable *t = fdtable_new(NULL);
	struct file *p[2], *held;
	int w;

	if (!CHECK_OP(file_make_pipe(p, 0, false), ==, 0))
		return;
	w = fdtable_install(t, p[1]);
	held = fdtable_get(t, w);
	CHECK(held == p[1]);
	CHECK_OP(fdtable_close(t, w), ==, 0);
	CHECK(fdtable_get(t, w) == NULL);
	CHECK_OP(wr(held, "a", 1), ==, 1);
	CHECK_OP(p[0]->ops->poll(p[0]), ==, (unsigned int)IN); /* no hang-up yet */
	file_put(held);
	CHECK_OP(p[0]->ops->poll(p[0]), ==, (unsigned int)(IN | EPOLLHUP));
	file_put(p[0]);
	fdtable_free(t);
}

static void test_descriptors_are_the_lowest_free(void)
{
	struct fdtable *t = fdtable_new(NULL);
	struct file *e;
	int fd;

	if (!CHECK_OP(file_make_eventfd(&e, 0, false, false), ==, 0))
		return;
	for (fd = 3; fd < 10; fd++)
		CHECK_OP(fdtable_install(t, file_get(e)), ==, fd);
	CHECK_OP(fdtable_close(t, 7), ==, 0);
	CHECK_OP(fdtable_close(t, 4), ==, 0);
	CHECK_OP(fdtable_close(t, 4), ==, -EBADF);
	CHECK_OP(fdtable_close(t, 2), ==, -EBADF);
	CHECK_OP(fdtable_close(t, -1), ==, -EBADF);
	CHECK_OP(fdtable_close(t, 5000), ==, -EBADF);
	CHECK_OP(fdtable_install(t, file_get(e)), ==, 4);
	CHECK_OP(fdtable_install(t, file_get(e)), ==, 7);
	CHECK_OP(fdtable_install(t, file_get(e)), ==, 10);
	for (fd = 11; fd < 1024; fd++)
		CHECK_OP(fdtable_install(t, file_get(e)), ==, fd);
	CHECK_OP(fdtable_install(t, file_get(e)), ==, -EMFILE);
	CHECK_OP(a32_load(&e->refs), ==, 1022u);
	fdtable_free(t);
	CHECK_OP(a32_load(&e->refs), ==, 1u);
	file_put(e);
}

static const struct file_ops no_ops = { .read = NULL };

static void test_a_copied_table_has_all_but_rings(void)
{
	struct fdtable *t = fdtable_new(NULL), *copy;
	struct file *e, *ring = file_new(FILE_RING, &no_ops);

	if (!CHECK_OP(file_make_eventfd(&e, 0, false, false), ==, 0))
		return;
	CHECK_OP(fdtable_install(t, ring), ==, 3);
	CHECK_OP(fdtable_install(t, file_get(e)), ==, 4);
	copy = fdtable_new(t);
	CHECK(fdtable_get(copy, 3) == NULL);
	CHECK_OP(a32_load(&e->refs), ==, 3u);
	fdtable_free(t);
	CHECK_OP(fdtable_close(copy, 4), ==, 0);
	CHECK_OP(a32_load(&e->refs), ==, 1u);
	fdtable_free(copy);
	file_put(e);
}

static void test_identities_count_from_zero(void)
{
	struct file *p[2], *e;

	file_new_identity();
	file_reset_identities();
	CHECK_OP(file_make_pipe(p, 0, false), ==, 0);
	CHECK_OP(file_make_eventfd(&e, 0, false, false), ==, 0);
	CHECK_OP(p[0]->identity, ==, 0u);
	CHECK_OP(e->identity, ==, 1u);
	file_put(e);
	file_put(p[0]);
	file_put(p[1]);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_plain_waiters_wake_last_first_exclusive_first_first),
	CHECK_TEST(test_an_exclusive_waiter_that_says_no_does_not_count),
	CHECK_TEST(test_pipe_moves_bytes_and_says_what_is_ready),
	CHECK_TEST(test_pipe_partial_write_and_full),
	CHECK_TEST(test_pipe_ends_eof_and_epipe),
	CHECK_TEST(test_kept_pipes_are_empty_again),
	CHECK_TEST(test_reopened_ends),
	CHECK_TEST(test_pipe_wakes_readers_and_writers),
	CHECK_TEST(test_eventfd_rules),
	CHECK_TEST(test_a_reference_keeps_a_closed_file_alive),
	CHECK_TEST(test_descriptors_are_the_lowest_free),
	CHECK_TEST(test_a_copied_table_has_all_but_rings),
	CHECK_TEST(test_identities_count_from_zero),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
