#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/diag.h"
#include "core/base/ensure.h"
#include "core/base/list.h"
#include "core/base/prng.h"
#include "core/base/text.h"

/* --- ensure --- */

static void ensure_false(void *arg)
{
	ENSURE(arg != NULL);
}

static void ensure_op(void *arg)
{
	int small = 2, large = 40;

	ENSURE_OP(small, >=, large);
}

static void ensure_unreachable(void *arg)
{
	ENSURE_UNREACHABLE();
}

static void say_picture(void)
{
	fprintf(stderr, "a picture\n");
}

static void ensure_with_hook(void *arg)
{
	ensure_set_hook(say_picture);
	ENSURE(false);
}

static void fail_again(void)
{
	ENSURE(!"the hook fails itself");
}

static void ensure_with_failing_hook(void *arg)
{
	ensure_set_hook(fail_again);
	ENSURE(false);
}

static void test_ensure_aborts(void)
{
	CHECK_DIES(ensure_false, NULL, SIGABRT, "ensure failed: arg != NULL");
	CHECK_DIES(ensure_op, NULL, SIGABRT, "small >= large (2 against 40)");
	CHECK_DIES(ensure_unreachable, NULL, SIGABRT, "unreachable");
	CHECK_DIES(ensure_with_hook, NULL, SIGABRT, "a picture");
	CHECK_DIES(ensure_with_failing_hook, NULL, SIGABRT, "the hook fails itself");
}

static void test_ensure_holds(void)
{
	int evaluated = 0;

	ENSURE(++evaluated == 1);
	ENSURE_OP(++evaluated, ==, 2);
	CHECK_OP(evaluated, ==, 2);
	CHECK(ensure_set_hook(say_picture) == NULL);
	CHECK(ensure_set_hook(NULL) == say_picture);
}

/* --- list --- */

struct item {
	int value;
	struct list link;
};

static void items_init(struct item *items, int n)
{
	for (int i = 0; i < n; i++) {
		items[i].value = i;
		list_init(&items[i].link);
	}
}

/* The values on the list as decimal digits, checked to be the same backwards. */
static const char *items_on(struct list *head, char *out)
{
	size_t n = 0;

	list_for_each(pos, head)
		out[n++] = '0' + list_entry(pos, struct item, link)->value;
	out[n] = '\0';
	for (struct list *pos = head->prev; pos != head; pos = pos->prev)
		if (!CHECK_OP(out[--n], ==, '0' + list_entry(pos, struct item, link)->value))
			break;
	CHECK_OP(n, ==, (size_t)0);
	return out;
}

static void test_list_add_del(void)
{
	struct list head = LIST_INIT(head);
	struct item items[4];
	char got[8];

	items_init(items, 4);
	CHECK(list_empty(&head));
	CHECK(!list_is_linked(&items[0].link));
	list_add_tail(&items[1].link, &head);
	list_add_tail(&items[2].link, &head);
	list_add(&items[0].link, &head);
	list_add(&items[3].link, &items[1].link);
	CHECK_STR(items_on(&head, got), "0132");
	CHECK(list_is_linked(&items[3].link));
	CHECK(list_first(&head, struct item, link) == &items[0]);
	list_del(&items[3].link);
	CHECK_STR(items_on(&head, got), "012");
	CHECK(!list_is_linked(&items[3].link));
	list_del(&items[3].link); /* twice is allowed */
	CHECK_STR(items_on(&head, got), "012");
	for (int i = 0; i < 3; i++)
		list_del(&items[i].link);
	CHECK(list_empty(&head));
}

static void test_list_unlink_in_loop(void)
{
	struct list head = LIST_INIT(head);
	struct item *item;
	char got[8];

	for (int i = 0; i < 6; i++) {
		item = malloc(sizeof(*item));
		item->value = i;
		list_add_tail(&item->link, &head);
	}
	list_for_each_safe(pos, &head) {
		item = list_entry(pos, struct item, link);
		if (item->value % 2)
			continue;
		list_del(pos);
		free(item);
	}
	CHECK_STR(items_on(&head, got), "135");
	list_for_each_safe(pos, &head) {
		list_del(pos);
		free(list_entry(pos, struct item, link));
	}
	CHECK(list_empty(&head));
}

static void test_list_splice(void)
{
	struct list a = LIST_INIT(a), b = LIST_INIT(b);
	struct item items[4];
	char got[8];

	items_init(items, 4);
	list_splice_tail(&a, &b);
	CHECK(list_empty(&a) && list_empty(&b));
	list_add_tail(&items[0].link, &a);
	list_add_tail(&items[1].link, &a);
	list_splice_tail(&b, &a);
	CHECK_STR(items_on(&a, got), "01");
	list_splice_tail(&a, &b);
	CHECK(list_empty(&a));
	CHECK_STR(items_on(&b, got), "01");
	list_add_tail(&items[2].link, &a);
	list_add_tail(&items[3].link, &a);
	list_splice_tail(&a, &b);
	CHECK_STR(items_on(&b, got), "0123");
	CHECK_STR(items_on(&a, got), "");
}

/* --- prng --- */

/* The published first outputs of SplitMix64 for seed 0: seeds must mean the same on every machine, for ever. */
static void test_prng_known_values(void)
{
	struct prng p = prng_seed(0);

	CHECK_OP(prng_next(&p), ==, 0xe220a8397b1dcdafull);
	CHECK_OP(prng_next(&p), ==, 0x6e789e6aa1b965f4ull);
	CHECK_OP(prng_next(&p), ==, 0x06c45d188009454full);
}

static void test_prng_bounds(void)
{
	struct prng p = prng_seed(7);
	unsigned int seen[5] = { 0 }, hits = 0;

	for (int i = 0; i < 5000; i++) {
		uint32_t v = prng_range(&p, 10, 14);

		if (!CHECK(v >= 10 && v <= 14))
			return;
		seen[v - 10]++;
		hits += prng_chance(&p, 1, 4);
		CHECK_OP(prng_below(&p, 1), ==, 0u);
		CHECK_OP(prng_range(&p, 3, 3), ==, 3u);
	}
	for (int i = 0; i < 5; i++)
		CHECK(seen[i] > 800 && seen[i] < 1200);
	CHECK(hits > 1100 && hits < 1400);
	CHECK(!prng_chance(&p, 0, 9));
	CHECK(prng_chance(&p, 9, 9));
	CHECK_OP(prng_below(&p, UINT32_MAX), <, UINT32_MAX);
}

static void test_prng_fork(void)
{
	struct prng a = prng_seed(1), b = prng_seed(1), c = prng_seed(1);
	struct prng a1 = prng_fork(&a, 1), b1 = prng_fork(&b, 1), c2 = prng_fork(&c, 2);
	uint64_t first = prng_next(&a1);

	CHECK_OP(first, ==, prng_next(&b1));
	CHECK_OP(first, !=, prng_next(&c2));
	/* The parents went on alike, and not like their children. */
	CHECK_OP(a.state, ==, c.state);
	CHECK_OP(prng_next(&a), ==, prng_next(&c));
	CHECK_OP(prng_next(&a), !=, prng_next(&a1));
}

/* --- text --- */

static void test_text_fits(void)
{
	struct text t;
	char buf[32];

	text_init(&t, buf, sizeof(buf));
	CHECK_STR(buf, "");
	text_put(&t, "ab");
	text_putc(&t, 'c');
	text_putn(&t, "defg", 2);
	text_printf(&t, "-%d", 12);
	CHECK_STR(buf, "abcde-12");
	CHECK_OP(t.len, ==, strlen(buf));
	CHECK(!t.cut);
}

static void test_text_cut(void)
{
	struct text t;
	char buf[8];

	text_init(&t, buf, sizeof(buf));
	text_put(&t, "1234567");
	CHECK(!t.cut);
	text_put(&t, "");
	CHECK(!t.cut);
	text_putc(&t, '8');
	CHECK(t.cut);
	CHECK_STR(buf, "1234567");

	text_init(&t, buf, sizeof(buf));
	text_printf(&t, "%s", "1234567");
	CHECK(!t.cut);
	text_printf(&t, "%d", 8);
	CHECK(t.cut);
	CHECK_STR(buf, "1234567");
	CHECK_OP(t.len, ==, (size_t)7);

	text_init(&t, buf, 1);
	text_printf(&t, "x");
	text_put(&t, "x");
	CHECK(t.cut);
	CHECK_STR(buf, "");
}

static void test_text_pad(void)
{
	struct text t;
	char buf[24];

	text_init(&t, buf, sizeof(buf));
	text_put(&t, "first\nab");
	text_pad(&t, 5);
	text_put(&t, "|");
	text_pad(&t, 3); /* already past it */
	CHECK_STR(buf, "first\nab   |");
	text_pad(&t, 1000);
	CHECK(t.cut);
	CHECK_OP(t.len, ==, sizeof(buf) - 1);
}

static void text_init_nothing(void *arg)
{
	struct text t;
	char c;

	text_init(&t, &c, 0);
}

static void test_text_needs_room(void)
{
	CHECK_DIES(text_init_nothing, NULL, SIGABRT, "cap > (size_t)0 (0 against 0)");
}

/* --- diag --- */

/* What diag_print says, in memory of the caller. */
static const char *printed(const struct diag *d, char *buf, size_t size)
{
	FILE *f = fmemopen(buf, size, "w");

	diag_print(d, f);
	fclose(f);
	return buf;
}

static void test_diag_is_sorted(void)
{
	struct diag d;
	char got[512];

	diag_init(&d, "in.stream");
	CHECK_STR(printed(&d, memset(got, 0, sizeof(got)), sizeof(got)), "");
	diag_error(&d, 9, 1, "last");
	diag_error(&d, 2, 7, "b, expected %s", "c");
	diag_error(&d, 2, 7, "same place, later");
	diag_error(&d, 2, 3, "a");
	CHECK_OP(d.count, ==, 4u);
	CHECK_STR(printed(&d, memset(got, 0, sizeof(got)), sizeof(got)), "in.stream:2:3: error: a\n"
									 "in.stream:2:7: error: b, expected c\n"
									 "in.stream:2:7: error: same place, later\n"
									 "in.stream:9:1: error: last\n");
}

static void test_diag_counts_past_its_limit(void)
{
	static struct diag d;
	char got[8192], *last;

	diag_init(&d, "f");
	for (unsigned int i = 0; i < DIAG_MAX + 3; i++)
		diag_error(&d, i + 1, 1, "x");
	CHECK_OP(d.count, ==, DIAG_MAX + 3u);
	printed(&d, memset(got, 0, sizeof(got)), sizeof(got));
	last = strstr(got, "f:64:1");
	if (CHECK(last != NULL))
		CHECK_STR(last, "f:64:1: error: x\nf: 3 more errors\n");
}

static void test_diag_cuts_long_text(void)
{
	static struct diag d;
	char big[1024];

	memset(big, 'y', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	diag_init(&d, "f");
	diag_error(&d, 1, 1, "%s", big);
	CHECK_OP(strlen(d.at[0].text), ==, sizeof(d.at[0].text) - 1);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_ensure_aborts),
	CHECK_TEST(test_ensure_holds),
	CHECK_TEST(test_list_add_del),
	CHECK_TEST(test_list_unlink_in_loop),
	CHECK_TEST(test_list_splice),
	CHECK_TEST(test_prng_known_values),
	CHECK_TEST(test_prng_bounds),
	CHECK_TEST(test_prng_fork),
	CHECK_TEST(test_text_fits),
	CHECK_TEST(test_text_cut),
	CHECK_TEST(test_text_pad),
	CHECK_TEST(test_text_needs_room),
	CHECK_TEST(test_diag_is_sorted),
	CHECK_TEST(test_diag_counts_past_its_limit),
	CHECK_TEST(test_diag_cuts_long_text),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
