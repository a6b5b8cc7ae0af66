#include "cli/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENT "events/io_uring/io_uring_queue_async_work"

struct tracefs {
	char dir[PATH_MAX - 128];
	pid_t pid;
};

static int put(const struct tracefs *t, const char *file, const char *text)
{
	char path[PATH_MAX];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", t->dir, file);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (*text && write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static const char *root_of(void)
{
	static const char *const places[] = { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/instances", places[i]);
		if (access(path, W_OK) == 0)
			return places[i];
	}
	return NULL;
}

/* Where nobody has mounted it: in a mount namespace of our own, which ends with us. */
static const char *mount_root(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL) < 0)
		return NULL;
	return root_of();
}

int tracefs_open(struct tracefs **out, const char **why)
{
	const char *root = root_of();
	struct tracefs *t;
	int ret;

	if (!root)
		root = mount_root();

	*why = "there is no tracefs that this user may write to";
	if (!root)
		return -EOPNOTSUPP;
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	snprintf(t->dir, sizeof(t->dir), "%s/instances/augur-%d", root, (int)getpid());
	*why = "mkdir of a tracefs instance";
	ret = mkdir(t->dir, 0700) < 0 ? -errno : 0;
	if (ret < 0) {
		free(t);
		return ret;
	}
	*why = "the kernel has no tracepoint io_uring_queue_async_work";
	ret = put(t, "buffer_size_kb", "4096");
	if (!ret)
		ret = put(t, "options/event-fork", "1");
	if (!ret)
		ret = put(t, EVENT "/enable", "1");
	if (ret < 0) {
		tracefs_close(t);
		return ret == -ENOENT ? -EOPNOTSUPP : ret;
	}
	*out = t;
	return 0;
}

void tracefs_close(struct tracefs *t)
{
	if (!t)
		return;
	rmdir(t->dir);
	free(t);
}

int tracefs_watch(struct tracefs *t, pid_t pid)
{
	char text[24];
	int ret = 0;

	snprintf(text, sizeof(text), "%d", (int)pid);
	if (t->pid != pid)
		ret = put(t, "set_event_pid", text);
	t->pid = pid;
	return ret ? ret : put(t, "trace", "");
}

/* `... user_data 0x2, opcode WRITE, flags 0x10, hashed queue, work ...` */
static int parse(const char *line, uint64_t *user_data, uint64_t *flags, int *hashed)
{
	const char *ud = strstr(line, "user_data 0x"), *fl = strstr(line, "flags 0x");

	if (!ud || !fl || sscanf(ud, "user_data 0x%" SCNx64, user_data) != 1 ||
	    sscanf(fl, "flags 0x%" SCNx64, flags) != 1)
		return 0;
	*hashed = strstr(fl, "hashed queue") != NULL;
	return 1;
}

int tracefs_queued(struct tracefs *t, void (*seen)(void *ctx, uint64_t user_data, uint64_t flags, int hashed),
		   void *ctx)
{
	char path[PATH_MAX], line[512];
	uint64_t user_data, flags;
	int hashed, ret = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/trace", t->dir);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, "LOST"))
			ret = -EOVERFLOW;
		if (strstr(line, "io_uring_queue_async_work:") && parse(line, &user_data, &flags, &hashed))
			seen(ctx, user_data, flags, hashed);
	}
	fclose(f);
	return ret;
}
