/* The back end that is the running kernel: the only file of the project that makes io_uring system calls.
 *
 * Direct reads and writes must not sleep, whatever the descriptor. RWF_NOWAIT says so where it is understood; where it
 * is refused (eventfd writes, pipes of older kernels, files of most file systems) poll(2) asks first, and what is then
 * done is small enough to fit. A regular file never waits for a peer, so there the plain call is good enough. */
#include "runner/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/magic.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/ensure.h"
#include "core/base/uapi.h"
#include "stream/model.h"

enum { TASK_STACK = 256 << 10, FILL_CHUNK = 64 << 10, MAX_STRAY = 512 };

static int scratch_dir = -1;

void backend_kernel_scratch(int dirfd)
{
	scratch_dir = dirfd;
}

static long result(long ret)
{
	return ret < 0 ? -errno : ret;
}

/* ---- what this is ---- */

static const struct {
	long magic;
	const char *name;
} file_systems[] = {
	{ TMPFS_MAGIC, "tmpfs" },   { EXT4_SUPER_MAGIC, "ext4" },   { OVERLAYFS_SUPER_MAGIC, "overlay" },
	{ XFS_SUPER_MAGIC, "xfs" }, { BTRFS_SUPER_MAGIC, "btrfs" },
};

static void kernel_describe(struct record *rec)
{
	struct utsname name;
	struct statfs fs;

	ENSURE(uname(&name) == 0);
	snprintf(rec->release, sizeof(rec->release), "%.31s", name.release);
	rec->fs[0] = '\0';
	if (scratch_dir < 0 || fstatfs(scratch_dir, &fs) < 0)
		return;
	snprintf(rec->fs, sizeof(rec->fs), "%07lx", (unsigned long)fs.f_type & 0xfffffff);
	for (size_t i = 0; i < sizeof(file_systems) / sizeof(file_systems[0]); i++)
		if (fs.f_type == file_systems[i].magic)
			snprintf(rec->fs, sizeof(rec->fs), "%s", file_systems[i].name);
}

/* The release and the file system stay what they are while scratch_dir does. Streams write to pipes that nobody reads:
 * that is not to end this process. */
static void describe_once(struct record *rec)
{
	static struct record *known;
	static int known_dir = -2;

	if (known_dir != scratch_dir) {
		if (!known)
			known = calloc(1, offsetof(struct record, ev));
		ENSURE(known);
		signal(SIGPIPE, SIG_IGN);
		kernel_describe(known);
		known_dir = scratch_dir;
	}
	memcpy(rec->release, known->release, sizeof(rec->release));
	memcpy(rec->fs, known->fs, sizeof(rec->fs));
}

/* ---- tasks and processes ---- */

struct kernel_task {
	pthread_t thread;
	backend_fn *fn;
	void *arg;
};

static void *task_main(void *arg)
{
	struct kernel_task *t = arg;

	t->fn(t->arg);
	return NULL;
}

static int kernel_spawn(void **task, const char *name, backend_fn *fn, void *arg)
{
	static pthread_attr_t attr;
	static bool attr_made;
	struct kernel_task *t = malloc(sizeof(*t));
	int ret;

	if (!t)
		return -ENOMEM;
	if (!attr_made) {
		ENSURE(pthread_attr_init(&attr) == 0);
		ENSURE(pthread_attr_setstacksize(&attr, TASK_STACK) == 0);
		attr_made = true;
	}
	t->fn = fn;
	t->arg = arg;
	ret = pthread_create(&t->thread, &attr, task_main, t);
	if (ret) {
		free(t);
		return -ret;
	}
	*task = t;
	return 0;
}

static void kernel_join(void *task)
{
	struct kernel_task *t = task;

	ENSURE(pthread_join(t->thread, NULL) == 0);
	free(t);
}

/* In the child. It dies with its parent, also if that was killed before the child could ask for it; it starts when the
 * parent closes its end of the gate. */
static _Noreturn void child_main(pid_t parent, const int gate[2], backend_fn *fn, void *arg)
{
	char none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	close(gate[1]);
	while (read(gate[0], &none, 1) < 0)
		ENSURE_OP(errno, ==, EINTR);
	close(gate[0]);
	fn(arg);
	_exit(0);
}

/* The caller is the only thread of its process, so the child may do all that its parent might. */
static int kernel_fork_process(void **proc, backend_fn *fn, backend_fn *parted, void *arg)
{
	pid_t parent = getpid(), child;
	int gate[2], ret = 0;

	if (pipe2(gate, O_CLOEXEC) < 0)
		return -errno;
	child = fork();
	if (child == 0)
		child_main(parent, gate, fn, arg);
	if (child < 0)
		ret = -errno;
	else
		parted(arg);
	close(gate[0]);
	close(gate[1]);
	*proc = (void *)(intptr_t)child;
	return ret;
}

static int kernel_wait_process(void *proc)
{
	pid_t child = (pid_t)(intptr_t)proc;
	int status;

	while (waitpid(child, &status, 0) < 0)
		ENSURE_OP(errno, ==, EINTR);
	return status;
}

static void kernel_exit_process(void)
{
	_exit(0);
}

static bool kernel_exiting(void)
{
	return false;
}

static int kernel_wait_word(uint32_t *word, uint32_t seen)
{
	return (int)result(syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0));
}

static void kernel_wake_word(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

static uint64_t kernel_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static void kernel_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

static void kernel_nap(uint64_t ns)
{
	struct timespec ts = { .tv_sec = (time_t)(ns / 1000000000ull), .tv_nsec = (long)(ns % 1000000000ull) };

	nanosleep(&ts, NULL);
}

/* ---- descriptors ---- */

static int kernel_pipe(int fds[2], unsigned int capacity, int flags)
{
	int ret;

	if (pipe2(fds, O_CLOEXEC | flags) < 0)
		return -errno;
	if (capacity && fcntl(fds[1], F_SETPIPE_SZ, (int)capacity) < 0) {
		ret = -errno;
		close(fds[0]);
		close(fds[1]);
		return ret;
	}
	return 0;
}

/* eventfd(2) takes 32 bits; more than that is written. */
static int kernel_eventfd(uint64_t count, int flags)
{
	int fd = eventfd(count > UINT_MAX ? 0 : (unsigned int)count, EFD_CLOEXEC | flags);
	int ret;

	if (fd < 0)
		return -errno;
	if (count > UINT_MAX && write(fd, &count, sizeof(count)) != (ssize_t)sizeof(count)) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

static int unnamed_file(int dir)
{
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		fd = openat(dir, "augur-scratch", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
		if (fd >= 0)
			unlinkat(dir, "augur-scratch", 0);
	}
	return fd;
}

static int kernel_file(uint64_t size)
{
	static uint8_t fill[FILL_CHUNK];
	int fd = unnamed_file(scratch_dir < 0 ? AT_FDCWD : scratch_dir);
	uint64_t at = 0;

	if (fd < 0)
		return -errno;
	memset(fill, TOKEN_INIT, sizeof(fill));
	while (at < size) {
		ssize_t n = pwrite(fd, fill, size - at < sizeof(fill) ? size - at : sizeof(fill), (off_t)at);

		if (n <= 0) {
			int ret = n < 0 ? -errno : -EIO;

			close(fd);
			return ret;
		}
		at += (uint64_t)n;
	}
	return fd;
}

static int kernel_poll(int fd, unsigned int events)
{
	struct pollfd p = { .fd = fd, .events = (short)events };
	int ret = poll(&p, 1, 0);

	if (ret < 0)
		return -errno;
	return p.revents & POLLNVAL ? -EBADF : p.revents;
}

static bool is_regular(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_pipe(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* By a name: what is opened by path has to have one. */
static int kernel_fifo(unsigned int n, char name[BACKEND_NAME], int *dir)
{
	*dir = scratch_dir < 0 ? AT_FDCWD : scratch_dir;
	snprintf(name, BACKEND_NAME, "augur-fifo-%d-%u", (int)getpid(), n);
	unlinkat(*dir, name, 0);
	return (int)result(mkfifoat(*dir, name, 0600));
}

static int kernel_fifo_open(const char *name, int flags)
{
	return (int)result(openat(scratch_dir < 0 ? AT_FDCWD : scratch_dir, name, flags | O_NONBLOCK | O_CLOEXEC));
}

/* An OPENAT may have succeeded where nobody could see it any more. */
static void kernel_fifo_drop(const char *name)
{
	int dir = scratch_dir < 0 ? AT_FDCWD : scratch_dir;
	struct stat fifo, st;

	if (fstatat(dir, name, &fifo, AT_SYMLINK_NOFOLLOW) == 0)
		for (int fd = 3; fd < MAX_STRAY; fd++)
			if (fstat(fd, &st) == 0 && st.st_dev == fifo.st_dev && st.st_ino == fifo.st_ino)
				close(fd);
	unlinkat(dir, name, 0);
}

static ssize_t plain_read(int fd, void *buf, size_t len, int64_t off)
{
	return result(off < 0 ? read(fd, buf, len) : pread(fd, buf, len, off));
}

static ssize_t plain_write(int fd, const void *buf, size_t len, int64_t off)
{
	return result(off < 0 ? write(fd, buf, len) : pwrite(fd, buf, len, off));
}

/* Refused where the descriptor knows no RWF_NOWAIT, or (a file) where it cannot promise anything. */
static bool nowait_refused(ssize_t ret, int fd)
{
	return ret == -EOPNOTSUPP || ret == -EINVAL || (ret == -EAGAIN && is_regular(fd));
}

static ssize_t kernel_read(int fd, void *buf, size_t len, int64_t off)
{
	struct iovec iov = { .iov_base = buf, .iov_len = len };
	ssize_t ret = result(preadv2(fd, &iov, 1, off, RWF_NOWAIT));
	int ready;

	if (!nowait_refused(ret, fd))
		return ret;
	ready = kernel_poll(fd, POLLIN);
	if (ready < 0)
		return ready;
	return ready & (POLLIN | POLLHUP | POLLERR) ? plain_read(fd, buf, len, off) : -EAGAIN;
}

/* A pipe with POLLOUT has room for PIPE_BUF bytes at least. */
static ssize_t pipe_write_by_poll(int fd, const char *buf, size_t len)
{
	size_t done = 0;

	do {
		int ready = kernel_poll(fd, POLLOUT);
		ssize_t n;

		if (ready < 0)
			return done ? (ssize_t)done : ready;
		if (!(ready & (POLLOUT | POLLERR)))
			return done ? (ssize_t)done : -EAGAIN;
		n = plain_write(fd, buf + done, len - done < PIPE_BUF ? len - done : PIPE_BUF, -1);
		if (n < 0)
			return done ? (ssize_t)done : n;
		done += (size_t)n;
	} while (done < len);
	return (ssize_t)done;
}

static void interrupt(int sig)
{
	(void)sig;
}

/* A write that is expected to fit. If it does not, or a request has taken the room since somebody looked, a signal ends it.
 * (How much an eventfd still takes is told in /proc only, and to look there takes a descriptor: that may be the number of
 * one that the stream has closed, and a request that looks it up late would find it.) */
static ssize_t write_briefly(int fd, const void *buf, size_t len)
{
	const struct itimerspec brief = { .it_value.tv_nsec = 2000000, .it_interval.tv_nsec = 2000000 };
	struct sigaction act = { .sa_handler = interrupt };
	struct sigevent ev = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN };
	timer_t timer;
	ssize_t ret;

	ev._sigev_un._tid = gettid();
	if (sigaction(SIGRTMIN, &act, NULL) < 0 || timer_create(CLOCK_MONOTONIC, &ev, &timer) < 0)
		return result(-1);
	ret = timer_settime(timer, 0, &brief, NULL) < 0 ? result(-1) : plain_write(fd, buf, len, -1);
	timer_delete(timer);
	return ret == -EINTR ? -EAGAIN : ret;
}

static ssize_t kernel_write(int fd, const void *buf, size_t len, int64_t off)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf, .iov_len = len };
	ssize_t ret = result(pwritev2(fd, &iov, 1, off, RWF_NOWAIT));
	int ready;

	if (!nowait_refused(ret, fd))
		return ret;
	if (is_regular(fd))
		return plain_write(fd, buf, len, off);
	if (is_pipe(fd))
		return pipe_write_by_poll(fd, buf, len);
	ready = kernel_poll(fd, POLLOUT);
	if (ready < 0)
		return ready;
	if (!(ready & (POLLOUT | POLLERR)))
		return -EAGAIN;
	return write_briefly(fd, buf, len);
}

static int kernel_close(int fd)
{
	return (int)result(close(fd));
}

static int kernel_reopen(int fd, int flags)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return (int)result(open(path, flags | O_CLOEXEC | O_NONBLOCK));
}

static int kernel_file_size(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*size = (uint64_t)st.st_size;
	return 0;
}

/* ---- rings ---- */

static int kernel_setup(unsigned int entries, struct io_uring_params *p)
{
	return (int)result(syscall(__NR_io_uring_setup, entries, p));
}

static int kernel_enter(int fd, unsigned int to_submit, unsigned int min_complete, unsigned int flags, const void *arg,
			size_t argsz)
{
	return (int)result(syscall(__NR_io_uring_enter, fd, to_submit, min_complete, flags, arg, argsz));
}

static int kernel_register(int fd, unsigned int opcode, void *arg, unsigned int nr)
{
	return (int)result(syscall(__NR_io_uring_register, fd, opcode, arg, nr));
}

/* The processors of the calling thread's cpuset: what is left of all when it asks for all. */
static uint64_t allowed_cpus(void)
{
	cpu_set_t before, all;
	uint64_t mask = 0;

	memset(&all, 0xff, sizeof(all));
	if (sched_getaffinity(0, sizeof(before), &before) == 0 && sched_setaffinity(0, sizeof(all), &all) == 0) {
		sched_getaffinity(0, sizeof(all), &all);
		sched_setaffinity(0, sizeof(before), &before);
	}
	for (unsigned int cpu = 0; cpu < 64; cpu++)
		if (CPU_ISSET(cpu, &all))
			mask |= 1ull << cpu;
	return mask;
}

static void kernel_host(struct backend_host *out)
{
	static struct backend_host known;
	struct rlimit nproc;

	if (!known.cpus) {
		ENSURE(getrlimit(RLIMIT_NPROC, &nproc) == 0);
		known = (struct backend_host){ .cpus = (uint32_t)sysconf(_SC_NPROCESSORS_ONLN),
					       .nproc = (uint32_t)nproc.rlim_cur,
					       .cpu_ids = (uint32_t)sysconf(_SC_NPROCESSORS_CONF),
					       .allowed = allowed_cpus() };
	}
	*out = known;
}

static void *kernel_mmap(int fd, size_t len, uint64_t offset)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)offset);

	return p == MAP_FAILED ? NULL : p;
}

static int kernel_munmap(void *addr, size_t len)
{
	return (int)result(munmap(addr, len));
}

static int sysctl_disabled(void)
{
	FILE *f = fopen("/proc/sys/kernel/io_uring_disabled", "re");
	int value = 0;

	if (f) {
		if (fscanf(f, "%d", &value) != 1)
			value = 0;
		fclose(f);
	}
	return value;
}

int backend_kernel_probe(const char **why)
{
	struct io_uring_params p = { 0 };
	int fd = kernel_setup(1, &p);

	if (fd >= 0) {
		close(fd);
		if ((p.features & IORING_FEAT_SINGLE_MMAP) && (p.features & IORING_FEAT_EXT_ARG))
			return 0;
		*why = "io_uring_setup: this kernel is older than 5.11";
		return -EOPNOTSUPP;
	}
	switch (fd) {
	case -ENOSYS:
		*why = "io_uring_setup: ENOSYS: this kernel has no io_uring";
		break;
	case -EPERM:
		*why = sysctl_disabled() ? "io_uring_setup: EPERM: kernel.io_uring_disabled forbids it" :
					   "io_uring_setup: EPERM: forbidden, by seccomp or another policy";
		break;
	case -EMFILE:
		*why = "io_uring_setup: EMFILE: out of descriptors";
		break;
	case -ENOMEM:
		*why = "io_uring_setup: ENOMEM: out of memory, or RLIMIT_MEMLOCK is too small";
		break;
	default:
		*why = "io_uring_setup failed";
		break;
	}
	return fd;
}

const struct backend backend_kernel = {
	.runner = RUNNER_KERNEL,
	.record_flags = RECF_FRESH | RECF_STAMPS,
	.describe = describe_once,
	.spawn = kernel_spawn,
	.join = kernel_join,
	.fork_process = kernel_fork_process,
	.wait_process = kernel_wait_process,
	.exit_process = kernel_exit_process,
	.exiting = kernel_exiting,
	.wait_word = kernel_wait_word,
	.wake_word = kernel_wake_word,
	.now = kernel_now,
	.relax = kernel_relax,
	.nap = kernel_nap,
	.pipe = kernel_pipe,
	.eventfd = kernel_eventfd,
	.file = kernel_file,
	.fifo = kernel_fifo,
	.fifo_open = kernel_fifo_open,
	.fifo_drop = kernel_fifo_drop,
	.read = kernel_read,
	.write = kernel_write,
	.close = kernel_close,
	.poll = kernel_poll,
	.reopen = kernel_reopen,
	.file_size = kernel_file_size,
	.setup = kernel_setup,
	.enter = kernel_enter,
	.reg = kernel_register,
	.host = kernel_host,
	.mmap = kernel_mmap,
	.munmap = kernel_munmap,
	.wait_bound_ns = 3000000000ull,
	.probe_bound_ns = 10000000000ull,
};
