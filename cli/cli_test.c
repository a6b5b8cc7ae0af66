/* augur as a program: its exit states, what it says of bad input, that a campaign ends in order or leaves nothing behind.
 * The binaries are those beside us in the runfiles, or the one that $AUGUR_BIN names. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"

enum { OUT_MAX = 1 << 17, ARGS_MAX = 24 };

static char out[OUT_MAX]; /* what the last command wrote to stdout and stderr */
static char dir[256]; /* of the running test */

static const char good[] = "augur 1\nring r entries=8\nsubmit r\n  a: nop -> 0\nwait r 1 -> 0\n";

static const char *binary(void)
{
	const char *named = getenv("AUGUR_BIN");

	return named ? named : "cli/augur";
}

static pid_t start_augur(const char *const argv[], int stdout_fd)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		dup2(stdout_fd, STDOUT_FILENO);
		dup2(stdout_fd, STDERR_FILENO);
		execv(binary(), (char *const *)(uintptr_t)argv);
		_exit(126);
	}
	return pid;
}

static int status_of(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Takes everything that comes from fd, until its end, into `out`. */
static void drain(int fd)
{
	size_t len = 0;
	ssize_t got;

	while (len < OUT_MAX - 1 && (got = read(fd, out + len, OUT_MAX - 1 - len)) > 0)
		len += (size_t)got;
	out[len] = '\0';
	close(fd);
}

/* Runs `augur` with the arguments up to NULL; its exit status. */
static int augur(const char *first, ...)
{
	const char *argv[ARGS_MAX] = { "augur", first };
	int ends[2], status;
	va_list ap;
	pid_t pid;

	va_start(ap, first);
	for (int i = 2; i < ARGS_MAX - 1 && (argv[i] = va_arg(ap, const char *)); i++)
		;
	va_end(ap);
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = start_augur(argv, ends[1]);
	close(ends[1]);
	drain(ends[0]);
	waitpid(pid, &status, 0);
	return status_of(status);
}

static bool says(const char *what)
{
	if (CHECK(strstr(out, what)))
		return true;
	printf("  wanted \"%s\" in:\n%s\n", what, out);
	return false;
}

/* A fresh directory for a test. */
static void fresh_dir(void)
{
	const char *tmp = getenv("TEST_TMPDIR");

	snprintf(dir, sizeof(dir), "%s/cli.XXXXXX", tmp ? tmp : "/tmp");
	CHECK(mkdtemp(dir));
}

static char *path_of(const char *name)
{
	static char ring[4][512];
	static unsigned int at;
	char *path = ring[at++ % 4];

	snprintf(path, sizeof(ring[0]), "%s/%s", dir, name);
	return path;
}

static char *put(const char *name, const char *text)
{
	char *path = path_of(name);
	FILE *f = fopen(path, "w");

	if (CHECK(f)) {
		fputs(text, f);
		fclose(f);
	}
	return path;
}

static bool can_run_sim(void)
{
	fresh_dir();
	if (augur("run", put("probe.augur", good), NULL) != 3)
		return true;
	/* Under Bazel the hands are there. */
	if (CHECK(!getenv("TEST_TMPDIR")))
		check_skip("augur-sim is not there");
	return false;
}

/* ---- usage ---- */

static void test_usage(void)
{
	CHECK_OP(augur(NULL), ==, 2);
	says("a command must be named");
	CHECK_OP(augur("frobnicate", NULL), ==, 2);
	says("no command frobnicate");
	CHECK_OP(augur("--version", NULL), ==, 0);
	says("augur ");
	CHECK_OP(augur("help", NULL), ==, 0);
	says("augur fuzz");
	CHECK_OP(augur("help", "run", NULL), ==, 0);
	says("--schedule");
	CHECK_OP(augur("gen", "--help", NULL), ==, 0);
	CHECK_OP(augur("help", "nothing", NULL), ==, 2);
}

static void test_options(void)
{
	CHECK_OP(augur("run", NULL), ==, 2);
	says("a file must be named");
	CHECK_OP(augur("run", "--frob", "--seed", "x", "f", NULL), ==, 2);
	says("no option --frob");
	says("--seed wants a number, not \"x\"");
	CHECK_OP(augur("gen", "--seed", NULL), ==, 2);
	says("--seed wants a value");
	CHECK_OP(augur("gen", "--size=0", NULL), ==, 2);
	says("from 1 to");
	CHECK_OP(augur("gen", "--weights", "nonsense=1", NULL), ==, 2);
	says("nonsense");
	CHECK_OP(augur("fuzz", "--on", "moon", NULL), ==, 2);
	says("moon");
	CHECK_OP(augur("fuzz", "--fail-on", "nothing", NULL), ==, 2);
	CHECK_OP(augur("fmt", "--check=1", "x", NULL), ==, 2);
	says("takes no value");
}

static void test_bad_streams(void)
{
	char *a, *b;

	fresh_dir();
	a = put("a.augur", "augur 1\nring r entrees=8\nfoo\n");
	b = put("b.augur", "augur 1\nring r entries=8\nsubmit r\n  a: nap\n");
	CHECK_OP(augur("run", a, b, NULL), ==, 2);
	says("a.augur:2:8: error");
	says("a.augur:3:1: error");
	says("b.augur:4:");
	CHECK(!strstr(out, "verdict"));
	CHECK_OP(augur("run", path_of("absent.augur"), NULL), ==, 3);
	says("absent.augur: No such file");
	CHECK_OP(augur("judge", put("r.txt", "nonsense\n"), NULL), ==, 2);
	says("r.txt:1:");
	CHECK_OP(augur("run", "--schedule", "walk:x", put("c.augur", good), NULL), ==, 2);
	says("--schedule wants");
}

static void test_bad_ledger(void)
{
	char *stream;

	fresh_dir();
	stream = put("s.augur", good);
	put("bad.txt", "id: bad\nrool: x\n\nText.\n");
	CHECK_OP(augur("run", "--ledger", dir, stream, NULL), ==, 2);
	says("bad.txt:2:1: error");
	CHECK_OP(augur("run", "--ledger", "/nonexistent", stream, NULL), ==, 3);
	says("/nonexistent");
}

/* ---- gen and fmt ---- */

static void test_gen_is_deterministic(void)
{
	static char first[OUT_MAX];

	CHECK_OP(augur("gen", "--seed", "7", "--count", "50", NULL), ==, 0);
	strcpy(first, out);
	CHECK(strlen(first) > 1000);
	CHECK_OP(augur("gen", "--seed", "7", "--count", "50", NULL), ==, 0);
	CHECK(strcmp(first, out) == 0);
	CHECK_OP(augur("gen", "--seed", "8", NULL), ==, 0);
	CHECK(strncmp(first, out, strlen(out)) != 0);
}

static void test_fmt(void)
{
	char *path;

	fresh_dir();
	path = put("x.augur", "augur   1\nring r   entries=8\nsubmit r\na:  nop\nwait r 1\n");
	CHECK_OP(augur("fmt", "--check", path, NULL), ==, 1);
	says("x.augur");
	CHECK_OP(augur("fmt", "--write", path, NULL), ==, 0);
	CHECK_OP(augur("fmt", "--check", path, NULL), ==, 0);
	CHECK_OP(augur("fmt", "--check", "--write", path, NULL), ==, 2);
	CHECK_OP(augur("gen", "--seed", "3", NULL), ==, 0);
	CHECK_OP(augur("fmt", "--check", put("y.augur", out), NULL), ==, 0);
}

/* ---- run, judge, diff ---- */

static void test_run(void)
{
	char *path;

	if (!can_run_sim())
		return;
	path = put("good.augur", good);
	CHECK_OP(augur("run", path, "--record", path_of("r.txt"), NULL), ==, 0);
	says("verdict: allowed");
	CHECK_OP(augur("judge", path_of("r.txt"), NULL), ==, 0);
	says("verdict: allowed");
	CHECK_OP(augur("run", path, "--json", "--times", "3", NULL), ==, 0);
	says("\"verdict\": \"allowed\"");
	path = put("bad.augur", "augur 1\nring r entries=8\nsubmit r\n  # a remark\n  a: nop -> -EIO\nwait r 1\n");
	CHECK_OP(augur("run", path, "--schedule", "walk:77", NULL), ==, 1);
	says("bad.augur:5: request a: expected -EIO, got 0");
	says("bad.augur --on sim --schedule walk:77\n");
	path = put("bad2.augur", "augur 1\nring r entries=8\nsubmit r -> 2\n  a: nop\nwait r 1\n");
	CHECK_OP(augur("run", path, NULL), ==, 1);
	says("bad2.augur:3: step 1: expected 2, got 1");
	CHECK_OP(augur("diff", "--on", "sim,engine", put("good.augur", good), NULL), ==, 0);
	says("sim allowed");
}

static void test_hand_is_missing(void)
{
	fresh_dir();
	setenv("AUGUR_SIM", "/nonexistent/augur-sim", 1);
	CHECK_OP(augur("run", put("good.augur", good), NULL), ==, 3);
	unsetenv("AUGUR_SIM");
	says("augur-sim");
}

/* ---- campaigns ---- */

static void test_out_cannot_be_written(void)
{
	fresh_dir();
	CHECK_OP(augur("fuzz", "--on", "sim", "--streams", "10", "--out", put("a-file", ""), NULL), ==, 3);
	says("cannot be written");
	CHECK(!strstr(out, "campaign"));
	CHECK_OP(augur("fuzz", "--on", "sim", "--streams", "10", "--out", "/proc/augur", NULL), ==, 3);
	says("/proc/augur");
}

/* In a child with mounts of its own: a directory that is full from the start. 77: not permitted here. */
static int out_is_full(void)
{
	char *full = path_of("full");

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mkdir(full, 0755) < 0 || mount("tmpfs", full, "tmpfs", 0, "size=32k") < 0)
		return 77;
	if (augur("fuzz", "--on", "sim", "--streams", "10", "--out", full, NULL) != 3)
		return 1;
	return strstr(out, "No space left") ? 0 : 2;
}

static void test_out_is_full(void)
{
	int status;
	pid_t pid;

	fresh_dir();
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		_exit(out_is_full());
	waitpid(pid, &status, 0);
	if (status_of(status) == 77)
		check_skip("no mounts of our own here");
	else
		CHECK_OP(status_of(status), ==, 0);
}

/* Children of pid, by /proc. */
static unsigned int children_of(pid_t pid, pid_t found[], unsigned int max)
{
	DIR *proc = opendir("/proc");
	unsigned int n = 0;
	struct dirent *de;

	while (proc && (de = readdir(proc)) && n < max) {
		char path[300], line[512], *end;
		long parent = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/stat", de->d_name);
		f = atoi(de->d_name) > 0 ? fopen(path, "r") : NULL;
		if (!f)
			continue;
		end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
		fclose(f);
		if (end && sscanf(end, ") %*c %ld", &parent) == 1 && parent == pid)
			found[n++] = atoi(de->d_name);
	}
	if (proc)
		closedir(proc);
	return n;
}

/* A campaign without end, and its hands. */
static pid_t start_campaign(int *from, pid_t hands[], unsigned int max, unsigned int *nr)
{
	const char *argv[] = { "augur",	 "fuzz", "--on",  "sim,engine",	  "--seconds", "600",
			       "--jobs", "2",	 "--out", path_of("out"), NULL };
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = start_augur(argv, ends[1]);
	close(ends[1]);
	*from = ends[0];
	for (int i = 0; i < 500; i++) {
		*nr = children_of(pid, hands, max);
		if (*nr == 4)
			break;
		usleep(10000);
	}
	usleep(300000);
	return pid;
}

static bool all_gone(const pid_t hands[], unsigned int nr)
{
	for (int i = 0; i < 500; i++) {
		unsigned int left = 0;

		for (unsigned int h = 0; h < nr; h++) {
			char path[64], state = 'Z';
			FILE *f;

			snprintf(path, sizeof(path), "/proc/%d/stat", (int)hands[h]);
			f = fopen(path, "r");
			if (f && fscanf(f, "%*d %*s %c", &state) == 1)
				left += state != 'Z' && state != 'X';
			if (f)
				fclose(f);
		}
		if (left == 0)
			return true;
		usleep(10000);
	}
	return false;
}

static void end_by(int sig)
{
	unsigned int nr = 0;
	pid_t hands[16], pid;
	int from, status;

	if (!can_run_sim())
		return;
	pid = start_campaign(&from, hands, 16, &nr);
	CHECK_OP(nr, ==, 4u);
	kill(pid, sig);
	drain(from);
	waitpid(pid, &status, 0);
	CHECK(all_gone(hands, nr));
	if (sig == SIGKILL) {
		CHECK_OP(status_of(status), ==, 1000 + SIGKILL);
		return;
	}
	if (!CHECK(status_of(status) == 0 || status_of(status) == 1))
		puts(out);
	says("stopped by a signal");
	says("per second");
	says("coverage");
	says("8 coupled");
	CHECK(access(path_of("out/report.txt"), R_OK) == 0);
	CHECK(access(path_of("out/report.json"), R_OK) == 0);
}

static void test_interrupt_reports(void)
{
	end_by(SIGINT);
}

static void test_terminate_reports(void)
{
	end_by(SIGTERM);
}

static void test_kill_leaves_no_hand(void)
{
	end_by(SIGKILL);
}

static void test_campaign_ends_by_itself(void)
{
	int status;

	if (!can_run_sim())
		return;
	status = augur("fuzz", "--on", "sim,engine", "--seed", "5", "--streams", "3000", "--out", path_of("one"), NULL);
	if (!CHECK_OP(status, ==, 0))
		puts(out);
	says("3000 streams from seed 5");
	says("nothing new");
}

static char *get(const char *path)
{
	static char text[2][OUT_MAX];
	static unsigned int at;
	char *to = text[at++ % 2];
	FILE *f = fopen(path, "r");

	*to = '\0';
	if (CHECK(f)) {
		to[fread(to, 1, OUT_MAX - 1, f)] = '\0';
		fclose(f);
	}
	return to;
}

/* The report without its times and places, which are no two runs' the same. */
static void without_times(char *json)
{
	static const char *const keys[] = { "\"seconds\": ", "\"per_second\": ", "\"brain_cpu_ns\": ", "\"cpu_ns\": ",
					    "\"out\": ",     "\"stored\": ",	 "\"replay\": " };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		for (char *at = json; (at = strstr(at, keys[i]));) {
			at += strlen(keys[i]);
			while (*at && *at != ',' && *at != '}')
				*at++ = 'x';
		}
}

/* Lengths of numbers differ as well. */
static bool same_but_for_times(char *a, char *b)
{
	without_times(a);
	without_times(b);
	while (*a && *b) {
		while (*a == 'x')
			a++;
		while (*b == 'x')
			b++;
		if (*a != *b)
			return false;
		a += *a != '\0';
		b += *b != '\0';
	}
	return *a == *b;
}

static void fuzz_sim(const char *name, const char *seed, const char *feedback)
{
	CHECK_OP(augur("fuzz", "--on", "sim", "--jobs", "1", "--seed", seed, "--streams", "1500", "--feedback",
		       feedback, "--out", path_of(name), NULL),
		 ==, 0);
}

/* With one job and the simulation alone, the seed makes the streams and what is seen of them, variants and all. */
static void test_feedback_is_deterministic(void)
{
	if (!can_run_sim())
		return;
	fuzz_sim("a", "4000", "50");
	says("cells of the law");
	says("(--feedback 50)");
	fuzz_sim("b", "4000", "50");
	fuzz_sim("c", "4000", "0");
	CHECK(!strstr(out, "--feedback"));
	CHECK(same_but_for_times(get(path_of("a/report.json")), get(path_of("b/report.json"))));
	CHECK_STR(get(path_of("a/cells.txt")), get(path_of("b/cells.txt")));
	CHECK(strcmp(get(path_of("a/cells.txt")), get(path_of("c/cells.txt"))) != 0);
}

/* The number behind `"key": ` in a text. */
static long number(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return CHECK(at) ? atol(at + strlen(key)) : -1;
}

/* The picture shows what waits for a worker, and who looks changes nothing. */
static void test_run_dump(void)
{
	static char plain[sizeof(out)];
	const char *file, *shown;

	if (!can_run_sim())
		return;
	file = put("dump.augur",
		   "augur 1\nring r entries=8\npipe p\nsubmit r\n  a: read fd=p.out len=8 async\n"
		   "  b: read fd=p.out len=8 async\nwait r 0\nwrite p.in len=8\nwrite p.in len=8\nwait r 2\n");
	CHECK_OP(augur("run", file, "--seed", "3", NULL), ==, 0);
	strcpy(plain, out);
	CHECK_OP(augur("run", file, "--seed", "3", "--dump", NULL), ==, 0);
	says("io-wq after step 1, submit r");
	says("io-wq after step 5, wait r 2");
	says(" unbound ");
	says("  pending unbound");
	says("  worker  iou-wrk-");
	shown = strstr(out, file);
	if (CHECK(shown))
		CHECK_STR(shown, plain);
	CHECK_OP(augur("run", file, "--on", "engine", "--dump", NULL), ==, 2);
	says("--dump is for sim");
}

/* What a kernel does of its own accord decides nothing here; that the two are compared at all does. */
static void test_whitebox(void)
{
	int status = augur("whitebox", "--streams", "20", NULL);

	if (status == 77)
		check_skip("no tracefs, or no io_uring");
	else if (CHECK(status == 0 || status == 1))
		CHECK(strstr(out, "20 streams, ") == out);
}

/* Runs are counted next to streams; what is certain is not run again. */
static void test_luck(void)
{
	if (!can_run_sim())
		return;
	CHECK_OP(augur("fuzz", "--on", "engine", "--seed", "9", "--streams", "300", "--luck", "4", "--json", "--out",
		       path_of("a"), NULL),
		 ==, 0);
	CHECK_OP(number(out, "\"streams\": "), ==, 300L);
	CHECK_OP(number(out, "\"runs\": "), >, 1100L);
	CHECK_OP(number(out, "\"runs\": "), <=, 1200L);
	CHECK_OP(
		augur("fuzz", "--on", "engine", "--seed", "9", "--streams", "300", "--luck", "4", "--weights",
		      "nop=1,pipe_read=0,pipe_write=0,event_read=0,event_write=0,file_read=0,file_write=0,poll=0,timeout=0,"
		      "remove=0,cancel=0,link_timeout=0,async=0,drain=0,skip=0,prep=0,open_chain=0,close=0,exit_thread=0,fsync=0,resize=0,splice=0,open=0,trivial=0,closing=0,msg=0,"
		      "exit_process=0,close_ring=0",
		      "--json", "--out", path_of("b"), NULL),
		==, 0);
	CHECK_OP(number(out, "\"runs\": "), ==, 300L);
	CHECK_OP(number(out, "\"variants\": "), ==, 0L);
	CHECK_OP(augur("fuzz", "--luck", "0", NULL), ==, 2);
	CHECK_OP(augur("fuzz", "--feedback", "101", NULL), ==, 2);
}

static const struct check_test tests[] = {
	CHECK_TEST(test_usage),
	CHECK_TEST(test_options),
	CHECK_TEST(test_bad_streams),
	CHECK_TEST(test_bad_ledger),
	CHECK_TEST(test_gen_is_deterministic),
	CHECK_TEST(test_fmt),
	CHECK_TEST(test_run),
	CHECK_TEST(test_run_dump),
	CHECK_TEST(test_hand_is_missing),
	CHECK_TEST(test_out_cannot_be_written),
	CHECK_TEST(test_out_is_full),
	CHECK_TEST(test_interrupt_reports),
	CHECK_TEST(test_terminate_reports),
	CHECK_TEST(test_kill_leaves_no_hand),
	CHECK_TEST(test_campaign_ends_by_itself),
	CHECK_TEST(test_feedback_is_deterministic),
	CHECK_TEST(test_whitebox),
	CHECK_TEST(test_luck),
};

int main(int argc, char **argv)
{
	return check_main(argc, argv, tests, CHECK_COUNT(tests));
}
