/* bench wq: our io-wq on threads beside the kernel's, GLib's GThreadPool and libuv's pool, and beside what waking another
 * thread and being woken by it costs at least.
 *
 * Each measurement is a process of its own, bound to one processor with all its threads (two tasks: one processor each),
 * which makes its pool, warms it up and runs batches for a while. All sides take turns within each repeat. CPU time is
 * that of the process, in which the kernel's workers are threads as well; the peer that answers reads is another one. */
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/json.h"
#include "core/base/ensure.h"
#include "sched/sched.h"
#include "stress/bench_wq.h"

#define ROUND_NS 60000000ull
#define WARM_NS 15000000ull
#define GIVE_UP_SECONDS 60 /* one measurement */

static const struct wq_row rows[] = {
	{ "empty, batch 1", WQ_EMPTY, 1, 0, 1 },
	{ "empty, batch 32", WQ_EMPTY, 32, 0, 1 },
	{ "the same, two tasks", WQ_EMPTY, 32, 0, 2 },
	{ "1000 blocking reads", WQ_BLOCK, 1000, 0, 1 },
	{ "hashed, 1 file", WQ_HASHED, 64, 1, 1 },
	{ "hashed, 8 files", WQ_HASHED, 64, 8, 1 },
	{ "hashed, 64 files", WQ_HASHED, 64, 64, 1 },
	{ "cancel of pending", WQ_CANCEL_PENDING, 32, 0, 1 },
	{ "cancel of blocked", WQ_CANCEL_BLOCKED, 8, 0, 1 },
};
static const struct wq_side *const sides[] = { &wq_ours, &wq_kernel, &wq_glib, &wq_uv, &wq_floor };
static const uint32_t sizes[] = { 10, 100, 1000, 10000, 100000, 1000000 };
static void (*const growers[])(uint32_t n, struct wq_growth *out) = { wq_grow_ours, wq_grow_list, wq_grow_glib };
static const char *const grower_names[] = { "ours", "list", "glib" };

enum {
	ROWS = sizeof(rows) / sizeof(rows[0]),
	SIDES = sizeof(sides) / sizeof(sides[0]),
	SIZES = sizeof(sizes) / sizeof(sizes[0]),
	GROWERS = sizeof(growers) / sizeof(growers[0]),
	OURS = 0,
	KERNEL = 1,
	FLOOR = SIDES - 1,
	MAX_TASKS = 2,
};

/* What a measurement says, in memory it shares with us. */
struct said {
	bool done;
	double ops, cpu; /* per second; CPU seconds per million */
	struct wq_growth growth;
	double schedules[2];
};

struct cell {
	unsigned int nr;
	double ops[BENCH_MAX_REPEATS], cpu[BENCH_MAX_REPEATS];
};

static struct {
	int cpu[MAX_TASKS];
	struct said *said;
	struct cell cell[ROWS][SIDES];
	struct cell growth[GROWERS][SIZES]; /* ops: queue, cpu: run; nanoseconds */
	double bytes[GROWERS];
	struct cell sim; /* ops: walk, cpu: search; schedules per second */
} b;

uint64_t wq_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t wq_cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void bind_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	ENSURE_OP(sched_setaffinity(0, sizeof(set), &set), ==, 0);
}

/* ---- the world of a row ---- */

static _Noreturn void be_peer(int asked, int to, unsigned int batch)
{
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(asked, &c, 1) == 1)
		for (unsigned int i = 0; i < batch; i++)
			ENSURE_OP(write(to, "x", 1), ==, (ssize_t)1);
	_exit(0);
}

void wq_answer(const struct wq_world *w)
{
	ENSURE_OP(write(w->peer, "x", 1), ==, (ssize_t)1);
}

static void make_world(struct wq_world *w, const struct wq_row *row, int cpu)
{
	int ask[2];

	*w = (struct wq_world){ .row = row, .cpu = cpu, .peer = -1 };
	ENSURE_OP(pipe(w->pipe), ==, 0);
	for (unsigned int i = 0; i < row->files; i++) {
		w->file[i] = memfd_create("bench", 0);
		ENSURE_OP(w->file[i], >=, 0);
	}
	if (row->kind != WQ_BLOCK)
		return;
	ENSURE_OP(pipe(ask), ==, 0);
	if (fork() == 0) {
		close(ask[1]);
		be_peer(ask[0], w->pipe[1], row->batch);
	}
	close(ask[0]);
	w->peer = ask[1];
}

/* ---- one measurement ---- */

struct lane {
	const struct wq_side *side;
	const struct wq_row *row;
	unsigned int i;
	struct atomic32 *warm; /* lanes that are not yet */
	uint64_t ops, start, end, cpu_start, cpu_end;
};

static uint64_t rounds_for(const struct wq_side *side, const struct wq_row *row, void *pool, uint64_t ns)
{
	uint64_t start = wq_now(), ops = 0;

	do {
		side->round(pool);
		ops += row->batch;
	} while (wq_now() - start < ns);
	return ops;
}

static void run_lane(void *arg)
{
	struct lane *l = arg;
	struct wq_world w;
	void *pool;

	bind_to(b.cpu[l->i]);
	make_world(&w, l->row, b.cpu[l->i]);
	pool = l->side->begin(&w);
	if (!pool)
		_exit(0);
	rounds_for(l->side, l->row, pool, WARM_NS);
	a32_sub(l->warm, 1);
	while (a32_load(l->warm))
		sched_yield();
	l->cpu_start = wq_cpu_now();
	l->start = wq_now();
	l->ops = rounds_for(l->side, l->row, pool, ROUND_NS);
	l->end = wq_now();
	l->cpu_end = wq_cpu_now();
	l->side->end(pool);
}

struct program {
	const struct wq_side *side;
	const struct wq_row *row;
	unsigned int grower, size;
};

static void run_row(void *arg)
{
	const struct program *p = arg;
	struct atomic32 warm = ATOMIC_INIT(p->row->tasks);
	struct sched_task *task[MAX_TASKS];
	struct lane lane[MAX_TASKS];
	uint64_t ops = 0, end = 0, cpu = 0;

	for (unsigned int i = 0; i < p->row->tasks; i++) {
		lane[i] = (struct lane){ .side = p->side, .row = p->row, .i = i, .warm = &warm };
		if (p->row->tasks == 1)
			run_lane(&lane[i]);
		else
			ENSURE_OP(sched_spawn(&task[i], "lane", run_lane, &lane[i]), ==, 0);
	}
	for (unsigned int i = 0; i < p->row->tasks; i++) {
		if (p->row->tasks > 1)
			sched_join(task[i]);
		ops += lane[i].ops;
		end = lane[i].end - lane[i].start > end ? lane[i].end - lane[i].start : end;
		cpu = lane[i].cpu_end - lane[0].cpu_start > cpu ? lane[i].cpu_end - lane[0].cpu_start : cpu;
	}
	b.said->ops = (double)ops * 1e9 / (double)end;
	b.said->cpu = (double)cpu / 1e3 / (double)ops;
	b.said->done = true;
}

static void run_growth(void *arg)
{
	const struct program *p = arg;

	bind_to(b.cpu[0]);
	growers[p->grower](sizes[p->size], &b.said->growth);
	b.said->done = true;
}

/* In a process of its own. False: it cannot, or did not come to an end. */
static bool measure(sched_task_fn *fn, struct program *p)
{
	int status;
	pid_t child;

	*b.said = (struct said){ 0 };
	fflush(NULL);
	child = fork();
	if (child == 0) {
		struct sched_config cfg = { .seed = 1 };
		struct sched_result res;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(GIVE_UP_SECONDS);
		sched_run(&cfg, fn, p, &res);
		_exit(0);
	}
	ENSURE_OP(child, >, 0);
	ENSURE_OP(waitpid(child, &status, 0), ==, child);
	if (status)
		fprintf(stderr, "bench: a measurement ended with wait status 0x%x\n", (unsigned int)status);
	return b.said->done;
}

static void add_sample(struct cell *c, double ops, double cpu)
{
	c->ops[c->nr] = ops;
	c->cpu[c->nr++] = cpu;
}

static void measure_sim(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
	double walk, search;
	FILE *f;

	ENSURE_OP(n, >, (ssize_t)0);
	path[n] = '\0';
	strcpy(strrchr(path, '/') + 1, "bench-sim");
	f = popen(path, "r");
	if (f && fscanf(f, "%lf %lf", &walk, &search) == 2)
		add_sample(&b.sim, walk, search);
	if (f)
		pclose(f);
}

static void measure_all(unsigned int repeats, const char *only)
{
	for (unsigned int i = 0; i < repeats; i++) {
		for (unsigned int r = 0; r < ROWS; r++) {
			if (only && !strstr(rows[r].name, only))
				continue;
			for (unsigned int s = 0; s < SIDES; s++) {
				struct program p = { .side = sides[s], .row = &rows[r] };

				if (!(sides[s]->kinds >> rows[r].kind & 1) || (sides[s]->one_task && rows[r].tasks > 1))
					continue;
				if (rows[r].tasks > 1 && b.cpu[1] < 0)
					continue;
				if (measure(run_row, &p))
					add_sample(&b.cell[r][s], b.said->ops, b.said->cpu);
			}
		}
		for (unsigned int g = 0; g < GROWERS && !only; g++) {
			for (unsigned int k = 0; k < SIZES; k++) {
				struct program p = { .grower = g, .size = k };

				if (!measure(run_growth, &p))
					continue;
				add_sample(&b.growth[g][k], b.said->growth.queue, b.said->growth.run);
				b.bytes[g] = b.said->growth.bytes;
			}
		}
		if (!only)
			measure_sim();
		fprintf(stderr, "bench: repeat %u of %u\n", i + 1, repeats);
	}
}

/* ---- telling ---- */

static double middle(const double *v, unsigned int nr)
{
	double copy[BENCH_MAX_REPEATS];

	memcpy(copy, v, nr * sizeof(v[0]));
	return nr ? bench_median(copy, nr) : 0;
}

static double ops_of(unsigned int r, unsigned int s)
{
	return middle(b.cell[r][s].ops, b.cell[r][s].nr);
}

static double cpu_of(unsigned int r, unsigned int s)
{
	return middle(b.cell[r][s].cpu, b.cell[r][s].nr);
}

static double ratio(double x, double y)
{
	return y > 0 ? x / y : 0;
}

static double best_pool(unsigned int r)
{
	double best = 0;

	for (unsigned int s = KERNEL + 1; s < FLOOR; s++)
		best = ops_of(r, s) > best ? ops_of(r, s) : best;
	return best;
}

/* `wall` is of operations per second, and suffers from whoever else runs; `cpu` of operations per CPU second. 0: no
 * such number. */
static void print_aim(const char *what, double wall, double cpu, double aim)
{
	bool met = wall >= aim || (wall <= 0 && cpu >= aim);
	const char *is = aim <= 0 ? "" : met ? "met" : cpu >= aim ? "met by CPU time" : "MISSED";

	printf("  %-52s", what);
	for (int i = 0; i < 3; i++) {
		double v = i == 0 ? wall : i == 1 ? cpu : aim;

		if (v > 0)
			printf(" %10.*f", v > 1000 ? 0 : 2, v);
		else
			printf(" %10s", "-");
	}
	printf("   %s\n", is);
}

static double best_pool_cpu(unsigned int r)
{
	double best = 0;

	for (unsigned int s = KERNEL + 1; s < FLOOR; s++)
		if (b.cell[r][s].nr && (best == 0 || cpu_of(r, s) < best))
			best = cpu_of(r, s);
	return best;
}

/* What an item costs beyond its place in a locked list, at the size k. */
static double beyond_list(unsigned int k, bool run)
{
	const struct cell *pool = &b.growth[OURS][k], *list = &b.growth[1][k];

	return middle(run ? pool->cpu : pool->ops, pool->nr) - middle(run ? list->cpu : list->ops, list->nr);
}

static void print_aims(void)
{
	printf("\n  %-52s %10s %10s %10s\n", "aims", "wall", "CPU", "aim");
	print_aim("batch 1, ours by the kernel's", ratio(ops_of(0, OURS), ops_of(0, KERNEL)),
		  ratio(cpu_of(0, KERNEL), cpu_of(0, OURS)), 0.8);
	print_aim("batch 32, ours by the kernel's", ratio(ops_of(1, OURS), ops_of(1, KERNEL)),
		  ratio(cpu_of(1, KERNEL), cpu_of(1, OURS)), 2);
	print_aim("batch 32, ours by the better thread pool", ratio(ops_of(1, OURS), best_pool(1)),
		  ratio(best_pool_cpu(1), cpu_of(1, OURS)), 1.5);
	print_aim("batch 1, ours by the better thread pool", ratio(ops_of(0, OURS), best_pool(0)),
		  ratio(best_pool_cpu(0), cpu_of(0, OURS)), 1.5);
	print_aim("  (all there is to gain: the floor by that pool)", ratio(ops_of(0, FLOOR), best_pool(0)),
		  ratio(best_pool_cpu(0), cpu_of(0, FLOOR)), 0);
	print_aim("two tasks by one", ratio(ops_of(2, OURS), ops_of(1, OURS)),
		  2 * ratio(cpu_of(1, OURS), cpu_of(2, OURS)), 1.6);
	print_aim("queueing, beyond a list: of 10^3 by of 10^6", 0,
		  ratio(beyond_list(2, false), beyond_list(SIZES - 1, false)), 0.7);
	print_aim("running, beyond a list: of 10^3 by of 10^6", 0,
		  ratio(beyond_list(2, true), beyond_list(SIZES - 1, true)), 0.7);
	print_aim("simulated schedules per second", 0, middle(b.sim.ops, b.sim.nr), 1e5);
}

/* The kernel's requests come from a cache whose object size it tells to root. */
static unsigned int kernel_bytes(void)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	unsigned int bytes = 0;
	char line[512];

	while (f && !bytes && fgets(line, sizeof(line), f))
		sscanf(line, "io_kiocb %*u %*u %u", &bytes);
	if (f)
		fclose(f);
	return bytes;
}

static void print_growth(void)
{
	printf("\nnanoseconds of CPU time for an item, by how many are queued behind a blocked worker\n  %-16s", "");
	for (unsigned int k = 0; k < SIZES; k++)
		printf(" %9u", sizes[k]);
	putchar('\n');
	for (unsigned int g = 0; g < GROWERS; g++) {
		printf("  %-5s %-10s", grower_names[g], "queue");
		for (unsigned int k = 0; k < SIZES; k++)
			printf(" %9.1f", middle(b.growth[g][k].ops, b.growth[g][k].nr));
		printf("\n  %-5s %-10s", "", "run");
		for (unsigned int k = 0; k < SIZES; k++)
			printf(" %9.1f", middle(b.growth[g][k].cpu, b.growth[g][k].nr));
		putchar('\n');
	}
	printf("\nbytes for a pending item: ours %.0f, kernel %u (all of the request), glib %.0f, libuv %u\n",
	       b.bytes[0], kernel_bytes(), b.bytes[GROWERS - 1], wq_uv_bytes);
	printf("simulated schedules per second, 4 items, 2 workers, a cancel: %.0f drawn, %.0f in a search\n",
	       middle(b.sim.ops, b.sim.nr), middle(b.sim.cpu, b.sim.nr));
}

static void print_cells(const char *unit, bool cpu)
{
	printf("%s\n  %-22s", unit, "");
	for (unsigned int s = 0; s < SIDES; s++)
		printf(" %11s", sides[s]->name);
	printf(" %12s\n", cpu ? "" : "ours/kernel");
	for (unsigned int r = 0; r < ROWS; r++) {
		if (!b.cell[r][OURS].nr)
			continue;
		printf("  %-22s", rows[r].name);
		for (unsigned int s = 0; s < SIDES; s++) {
			const struct cell *c = &b.cell[r][s];

			if (c->nr)
				printf(" %11.*f", cpu ? 3 : 0, middle(cpu ? c->cpu : c->ops, c->nr));
			else
				printf(" %11s", "-");
		}
		if (!cpu)
			printf(" %12.2f", ratio(ops_of(r, OURS), ops_of(r, KERNEL)));
		putchar('\n');
	}
}

static void print_json(unsigned int repeats)
{
	struct json j = { .out = stdout };

	json_open(&j, NULL, '{');
	json_u64(&j, "repeats", repeats);
	for (unsigned int r = 0; r < ROWS; r++) {
		json_open(&j, rows[r].name, '{');
		for (unsigned int s = 0; s < SIDES; s++) {
			const struct cell *c = &b.cell[r][s];

			if (!c->nr)
				continue;
			json_open(&j, sides[s]->name, '{');
			json_real(&j, "per_second", middle(c->ops, c->nr));
			json_real(&j, "cpu_seconds_per_million", middle(c->cpu, c->nr));
			json_close(&j, '}');
		}
		json_close(&j, '}');
		json_line(&j);
	}
	json_real(&j, "schedules_per_second", middle(b.sim.ops, b.sim.nr));
	json_close(&j, '}');
	json_line(&j);
}

static void choose_cpus(void)
{
	unsigned int nr = 0;
	cpu_set_t set;

	b.cpu[0] = b.cpu[1] = -1;
	ENSURE_OP(sched_getaffinity(0, sizeof(set), &set), ==, 0);
	for (int i = 0; i < CPU_SETSIZE && nr < MAX_TASKS; i++)
		if (CPU_ISSET(i, &set))
			b.cpu[nr++] = i;
}

enum exit_status bench_wq(unsigned int repeats, const char *only, bool json)
{
	b.said = mmap(NULL, sizeof(*b.said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (b.said == MAP_FAILED)
		return STATUS_ENVIRONMENT;
	choose_cpus();
	measure_all(repeats, only);
	if (json) {
		print_json(repeats);
		return STATUS_OK;
	}
	printf("medians of %u repeats, by turns\n\n", repeats);
	print_cells("operations per second", false);
	putchar('\n');
	print_cells("CPU seconds per million operations", true);
	if (!only) {
		print_growth();
		print_aims();
	}
	return STATUS_OK;
}
