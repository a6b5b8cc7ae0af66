/* The pool: what goes in, what comes out, and that nothing but the order of calls decides it. */
#include <stdio.h>
#include <string.h>

#include "cli/celltable.h"
#include "cli/feedback.h"
#include "core/base/check.h"
#include "stream/generate.h"

static struct feedback f, g;
static struct cells run;
static struct stream s, t;

/* A run that shows one cell. */
static const struct cells *cell(unsigned int n)
{
	memset(&run, 0, sizeof(run));
	(&run.count[0][0][0][0])[n] = 1;
	return &run;
}

static uint32_t seen(const struct feedback *fb, unsigned int runner, unsigned int n)
{
	return (&fb->seen[runner].count[0][0][0][0])[n];
}

static void test_rare_is_kept(void)
{
	CHECK_OP(feedback_open(&f), ==, 0);
	stream_generate(1, NULL, &s);
	for (unsigned int i = 0; i < FEEDBACK_RARE; i++)
		CHECK(feedback_count(&f, RUNNER_SIM, cell(5), &s, true, i));
	CHECK(!feedback_count(&f, RUNNER_SIM, cell(5), &s, true, 1));
	CHECK_OP(f.nr, ==, (unsigned int)FEEDBACK_RARE);
	CHECK_OP(seen(&f, RUNNER_SIM, 5), ==, (uint32_t)FEEDBACK_RARE + 1);
	/* What is common on one runner may be new on another. */
	CHECK(feedback_count(&f, RUNNER_KERNEL, cell(5), &s, true, 1));
	CHECK_OP(seen(&f, RUNNER_ENGINE, 5), ==, 0u);
	/* Nothing is concluded from a run that shows nothing, and a stream need not be kept. */
	memset(&run, 0, sizeof(run));
	CHECK(!feedback_count(&f, RUNNER_SIM, &run, &s, true, 1));
	CHECK(!feedback_count(&f, RUNNER_SIM, cell(6), &s, false, 1));
	CHECK_OP(seen(&f, RUNNER_SIM, 6), ==, 1u);
	CHECK_OP(f.nr, ==, (unsigned int)FEEDBACK_RARE + 1);
	feedback_close(&f);
}

static void test_pool_is_bounded(void)
{
	unsigned int common = 0;

	CHECK_OP(feedback_open(&f), ==, 0);
	stream_generate(1, NULL, &s);
	for (unsigned int i = 0; i < 4 * FEEDBACK_POOL; i++)
		CHECK(feedback_count(&f, RUNNER_SIM, cell(i), &s, true, i));
	CHECK_OP(f.nr, ==, (unsigned int)FEEDBACK_POOL);
	/* Half of them are seen again and again; then others come. */
	for (unsigned int i = 0; i < FEEDBACK_POOL / 2; i++)
		for (unsigned int k = 0; k < 50; k++)
			feedback_count(&f, RUNNER_SIM, cell(f.pool[i].cell), &s, false, 0);
	for (unsigned int i = 0; i < FEEDBACK_POOL; i++)
		CHECK(feedback_count(&f, RUNNER_SIM, cell(2000 + i), &s, true, i));
	CHECK_OP(f.nr, ==, (unsigned int)FEEDBACK_POOL);
	for (unsigned int i = 0; i < f.nr; i++)
		common += seen(&f, RUNNER_SIM, f.pool[i].cell) > 50;
	CHECK_OP(common, <, FEEDBACK_POOL / 4u);
	feedback_close(&f);
}

static void test_counts_stop(void)
{
	CHECK_OP(feedback_open(&f), ==, 0);
	stream_generate(1, NULL, &s);
	f.seen[RUNNER_SIM].count[0][0][0][7] = UINT32_MAX - 1;
	for (unsigned int i = 0; i < 3; i++)
		feedback_count(&f, RUNNER_SIM, cell(7), &s, true, i);
	CHECK_OP(seen(&f, RUNNER_SIM, 7), ==, UINT32_MAX);
	feedback_close(&f);
}

static void test_variants(void)
{
	unsigned int same = 0, some = 0;

	CHECK_OP(feedback_open(&f), ==, 0);
	CHECK_OP(feedback_open(&g), ==, 0);
	CHECK(!feedback_variant(&f, &s, 128, 1));
	for (unsigned int i = 0; i < 600; i++) {
		stream_generate(i, NULL, &s);
		feedback_count(&f, i % RUNNERS, cell(i), &s, true, i);
		feedback_count(&g, i % RUNNERS, cell(i), &s, true, i);
	}
	for (unsigned int i = 0; i < 500; i++) {
		bool made = feedback_variant(&f, &s, 12, i);

		CHECK_OP(feedback_variant(&g, &t, 12, i), ==, made);
		/* Those that would become too long are given up. */
		some += made;
		if (!made)
			continue;
		CHECK_OP(stream_check(&s, NULL), ==, 0);
		CHECK_OP(s.nr_reqs, <=, 12);
		CHECK_OP(s.nr_reqs, >, 0);
		if (!CHECK(stream_same(&s, &t)))
			break;
		feedback_variant(&g, &t, 12, i + 1);
		same += stream_same(&s, &t);
	}
	CHECK_OP(some, >, 450u);
	CHECK_OP(same, <, 20u);
	feedback_close(&f);
	feedback_close(&g);
}

/* ---- the table ---- */

static char *show(void (*how)(const struct cells *, uint32_t, FILE *), uint32_t used)
{
	static char text[8192];
	FILE *out = fmemopen(text, sizeof(text), "w");

	if (CHECK(out)) {
		how(f.seen, used, out);
		fclose(out);
	}
	return text;
}

static void says(const char *text, const char *what)
{
	if (!CHECK(strstr(text, what)))
		printf("wanted \"%s\" in\n%s", what, text);
}

static void test_table(void)
{
	const uint32_t both = 1u << RUNNER_SIM | 1u << RUNNER_KERNEL;
	char *text;

	CHECK_OP(feedback_open(&f), ==, 0);
	f.seen[RUNNER_SIM].count[SOP_READ][CELL_ARMED][CELL_CANCEL][CELL_OK] = 40;
	f.seen[RUNNER_KERNEL].count[SOP_READ][CELL_ARMED][CELL_CANCEL][CELL_OK] = 2;
	f.seen[RUNNER_SIM].count[SOP_READ][CELL_HELD][CELL_CANCEL][CELL_ENOENT] = 3;
	f.seen[RUNNER_ENGINE].count[SOP_NOP][CELL_READY][CELL_COMPLETE][CELL_OK] = 9;
	for (unsigned int i = 0; i < 12; i++)
		f.seen[RUNNER_SIM].count[SOP_WRITE][i / 6][i % 6][CELL_NONE] = 100 + i;
	CHECK_OP(cells_distinct(&f.seen[RUNNER_SIM]), ==, 14u);
	text = show(cells_print, both);
	says(text,
	     "  read                  2         43      1          2  held cancel=ENOENT 3, armed cancel=ok 42\n");
	says(text, "  nop                   0          0      0          0\n");
	says(text,
	     "cells that sim has seen and the kernel has not: 13; the rarest on sim:\n    read held cancel=ENOENT: 3\n"
	     "    write held complete=none: 100\n");
	says(text, ": 108\n");
	CHECK(!strstr(text, ": 109\n"));
	text = show(cells_print, 1u << RUNNER_SIM);
	CHECK(!strstr(text, "the kernel has not"));
	text = show(cells_list, both);
	says(text, "read            armed     cancel          ok                 40          2\n");
	CHECK(!strstr(text, "nop"));
	feedback_close(&f);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_rare_is_kept), CHECK_TEST(test_pool_is_bounded), CHECK_TEST(test_counts_stop),
	CHECK_TEST(test_variants),     CHECK_TEST(test_table),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
