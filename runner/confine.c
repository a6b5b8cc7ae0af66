/* What a hand may do to the machine. seccomp does not see what io_uring does, so this is limits and namespaces; the
 * language has no paths, no sockets and no raw SQEs. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runner/hand_main.h"

static void limit(int what, rlim_t to)
{
	struct rlimit r;

	if (getrlimit((__rlimit_resource_t)what, &r) == 0 && r.rlim_cur > to) {
		r.rlim_cur = to;
		r.rlim_max = r.rlim_max < to ? r.rlim_max : to;
		setrlimit((__rlimit_resource_t)what, &r);
	}
}

/* Bytes of address space; sanitizers take terabytes. */
static uint64_t address_space(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f) {
		if (fscanf(f, "%lu", &pages) != 1)
			pages = 0;
		fclose(f);
	}
	return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

void hand_confine(void)
{
	limit(RLIMIT_CORE, 0);
	limit(RLIMIT_FSIZE, 64 << 20);
	limit(RLIMIT_NOFILE, 512);
	if (address_space() < 1ull << 30)
		limit(RLIMIT_AS, 4ull << 30);
	/* May be refused: then the network is what it was, and nothing here touches it. */
	if (unshare(CLONE_NEWNET) < 0)
		return;
}

/* A tmpfs that is mounted nowhere, known by its descriptor alone. */
static int detached_tmpfs(void)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int mnt = -1;

	if (fs < 0)
		return -errno;
	fsconfig(fs, FSCONFIG_SET_STRING, "size", "256m", 0);
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mnt = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	close(fs);
	return mnt < 0 ? -EPERM : mnt;
}

static int usable(int dir)
{
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int open_dir(const char *path)
{
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int ret;

	if (dir < 0)
		return -errno;
	ret = usable(dir);
	if (ret == -EOPNOTSUPP || ret == -EISDIR)
		ret = 0; /* the back end makes named files and unlinks them */
	if (ret < 0)
		close(dir);
	return ret < 0 ? ret : dir;
}

int hand_scratch(const char *path, const char **why)
{
	int dir;

	if (path) {
		dir = open_dir(path);
		if (dir < 0)
			*why = "the scratch directory cannot be used";
		return dir;
	}
	dir = detached_tmpfs();
	if (dir >= 0 && usable(dir) == 0)
		return dir;
	if (dir >= 0)
		close(dir);
	dir = open_dir("/dev/shm");
	if (dir < 0)
		dir = open_dir("/tmp");
	if (dir < 0)
		*why = "neither /dev/shm nor /tmp can be written";
	return dir;
}
