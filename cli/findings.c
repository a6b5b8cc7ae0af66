#include "cli/findings.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/records.h"
#include "cli/runners.h"

enum { ROOM_NEEDED = 16 << 20 }; /* bytes that must be free when a campaign starts */

/* ---- the directory ---- */

/* That a file can be made, filled and kept is found out by doing it. */
static int try_write(const char *dir)
{
	static const char block[4096];
	char path[PATH_MAX];
	struct statvfs vfs;
	int fd, ret = 0;

	if (snprintf(path, sizeof(path), "%s/.try.%d", dir, (int)getpid()) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	for (int i = 0; i < 16 && ret == 0; i++)
		ret = write(fd, block, sizeof(block)) == (ssize_t)sizeof(block) ? 0 : errno ? -errno : -ENOSPC;
	if (ret == 0 && fsync(fd) < 0)
		ret = -errno;
	if (ret == 0 && fstatvfs(fd, &vfs) == 0 && (uint64_t)vfs.f_bavail * vfs.f_frsize < ROOM_NEEDED)
		ret = -ENOSPC;
	close(fd);
	unlink(path);
	return ret;
}

int findings_open(struct findings *f, const char *dir)
{
	int ret = files_mkdir(dir);

	memset(f, 0, sizeof(*f));
	pthread_mutex_init(&f->lock, NULL);
	f->dir = dir;
	f->serial = 1;
	if (ret == 0)
		ret = try_write(dir);
	if (ret < 0)
		return ret;
	f->all = calloc(FINDINGS_MAX, sizeof(*f->all));
	return f->all ? 0 : -ENOMEM;
}

void findings_close(struct findings *f)
{
	free(f->all);
	pthread_mutex_destroy(&f->lock);
}

/* ---- counting ---- */

static const char *evidence_id(const struct evidence *e)
{
	return e->finding ? e->finding->id : e->id;
}

static struct divergence *find(struct findings *f, const struct evidence *e)
{
	struct divergence *d;

	for (unsigned int i = 0; i < f->nr; i++)
		if (f->all[i].runner == e->record->runner && strcmp(f->all[i].id, evidence_id(e)) == 0)
			return &f->all[i];
	if (f->nr == FINDINGS_MAX) {
		f->lost++;
		return NULL;
	}
	d = &f->all[f->nr++];
	memset(d, 0, sizeof(*d));
	snprintf(d->id, sizeof(d->id), "%s", evidence_id(e));
	d->runner = e->record->runner;
	d->with = f->with;
	d->kind = e->undecided ? DIVERGENCE_UNDECIDED : e->known ? DIVERGENCE_KNOWN : DIVERGENCE_NEW;
	if (e->known)
		snprintf(d->ledger, sizeof(d->ledger), "%s", e->known->id);
	d->size = UINT_MAX;
	return d;
}

/* The first of its kind, and then every one that is less than half as large; of the undecided only some. */
static bool worth_storing(const struct findings *f, const struct divergence *d, const struct evidence *e)
{
	bool first = d->size == UINT_MAX;

	if (f->error || (first && d->kind == DIVERGENCE_UNDECIDED && f->stored[d->kind] >= FINDINGS_UNDECIDED_KEPT))
		return false;
	return first || e->stream->nr_reqs < d->size / 2;
}

int findings_note(struct findings *f, const struct evidence *e)
{
	struct divergence *d;
	int index = -1;

	pthread_mutex_lock(&f->lock);
	d = find(f, e);
	if (d)
		d->count++;
	if (d && worth_storing(f, d, e)) {
		f->stored[d->kind] += d->size == UINT_MAX;
		d->size = e->stream->nr_reqs;
		index = (int)(d - f->all);
	}
	pthread_mutex_unlock(&f->lock);
	return index;
}

/* ---- storing ---- */

void findings_replay(const struct divergence *d, char *buf, size_t size)
{
	const char *with = d->with ? d->with : "";

	if (d->runner == RUNNER_SIM)
		snprintf(buf, size, "%s%s run %s/stream.augur --on sim --schedule walk:%" PRIu64, with, command_self(),
			 d->dir, d->run_seed);
	else
		snprintf(buf, size, "%s%s run %s/stream.augur --on %s --seed %" PRIu64 " --times 200", with,
			 command_self(), d->dir, runner_names[d->runner], d->run_seed);
}

static void write_readme(FILE *out, const struct divergence *d, const struct evidence *e)
{
	static const char *const kinds[] = {
		[DIVERGENCE_NEW] = "forbidden, and not in the ledger",
		[DIVERGENCE_KNOWN] = "forbidden, but known",
		[DIVERGENCE_UNDECIDED] = "undecided: nothing can be said of this run",
	};
	const struct finding *fi = e->finding;
	char line[PATH_MAX + 128];

	fprintf(out, "%s\n\n", d->id);
	fprintf(out, "what       %s\n", kinds[d->kind]);
	if (e->known)
		fprintf(out, "ledger     %s (%s)\n", e->known->id, ledger_kind_name(e->known->kind));
	fprintf(out, "runner     %s %s, files on %s\n", runner_names[d->runner], e->record->release, e->record->fs);
	if (e->variant)
		fprintf(out,
			"made of    an earlier stream that showed something rare, as stream %" PRIu64
			", run with seed %" PRIu64 "\n",
			e->stream_seed, e->run_seed);
	else
		fprintf(out, "made by    augur gen --seed %" PRIu64 ", run with seed %" PRIu64 "\n", e->stream_seed,
			e->run_seed);
	if (fi) {
		fprintf(out, "at         event %u of record-%s.txt\n", fi->event, runner_names[d->runner]);
		fprintf(out, "seen       %s\nallowed    %s\n", fi->seen, fi->allowed);
		fprintf(out, "the law    %s: %s\nsource     %s\n", fi->rule->name, fi->rule->sentence,
			fi->rule->source);
	} else {
		fprintf(out, "seen       %s\n", e->text);
	}
	if (d->again_runs)
		fprintf(out, "again      seen %u of %u times when run again\n", d->again_seen, d->again_runs);
	findings_replay(d, line, sizeof(line));
	fprintf(out, "\n%s\n", line);
}

struct part {
	char name[32];
	char *text;
	size_t len;
};

static int put_part(const char *dir, struct part *p, FILE *done)
{
	int ret = fclose(done) != 0 ? -errno : files_write(dir, p->name, p->text, p->len);

	free(p->text);
	return ret;
}

static int write_parts(const char *dir, const struct divergence *d, const struct evidence *e)
{
	struct part p = { "stream.augur", NULL, 0 };
	FILE *out = open_memstream(&p.text, &p.len);
	int ret;

	if (!out)
		return -errno;
	stream_show(out, e->stream);
	ret = put_part(dir, &p, out);
	for (unsigned int r = 0; r < RUNNERS && ret == 0; r++) {
		if (!e->records[r])
			continue;
		snprintf(p.name, sizeof(p.name), "record-%s.txt", runner_names[r]);
		out = open_memstream(&p.text, &p.len);
		if (!out)
			return -errno;
		record_store(out, e->stream, e->records[r]);
		ret = put_part(dir, &p, out);
	}
	if (ret < 0)
		return ret;
	snprintf(p.name, sizeof(p.name), "README");
	out = open_memstream(&p.text, &p.len);
	if (!out)
		return -errno;
	write_readme(out, d, e);
	return put_part(dir, &p, out);
}

static void remove_dir(const char *dir)
{
	static const char *const names[] = { "stream.augur", "record-sim.txt", "record-engine.txt", "record-kernel.txt",
					     "README" };
	char path[PATH_MAX + 64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

/* The rule's name, fit for a path. */
static void dir_word(const char *id, char *buf, size_t size)
{
	size_t n = strcspn(id, "/");

	if (n >= size)
		n = size - 1;
	for (size_t i = 0; i < n; i++)
		buf[i] = strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", id[i]) ? id[i] : '_';
	buf[n] = '\0';
}

/* Gives the finding its directory. One that another campaign left behind is not touched. Called with the lock held. */
static int choose_dir(struct findings *f, struct divergence *d)
{
	char word[64];

	dir_word(d->id, word, sizeof(word));
	do {
		if (snprintf(d->dir, sizeof(d->dir), "%s/%s-%u", f->dir, word, f->serial++) >= (int)sizeof(d->dir))
			return -ENAMETOOLONG;
	} while (access(d->dir, F_OK) == 0);
	return 0;
}

/* Puts the directory `temp` in its place, in one step also where an older one stands there. */
static int place(const char *temp, const char *dir)
{
	if (rename(temp, dir) == 0)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -errno;
	if (renameat2(AT_FDCWD, temp, AT_FDCWD, dir, RENAME_EXCHANGE) < 0)
		return -errno;
	remove_dir(temp);
	return 0;
}

void findings_store(struct findings *f, unsigned int index, const struct evidence *e, unsigned int again_runs,
		    unsigned int again_seen)
{
	struct divergence *d = &f->all[index], shown;
	char temp[PATH_MAX];
	int ret;

	pthread_mutex_lock(&f->lock);
	ret = *d->dir ? 0 : choose_dir(f, d);
	d->stream_seed = e->stream_seed;
	d->run_seed = e->run_seed;
	d->variant = e->variant;
	d->again_runs = again_runs;
	d->again_seen = again_seen;
	shown = *d;
	if (ret == 0 && snprintf(temp, sizeof(temp), "%s/.new-%u", f->dir, f->temp_serial++) >= (int)sizeof(temp))
		ret = -ENAMETOOLONG;
	pthread_mutex_unlock(&f->lock);
	if (ret == 0 && mkdir(temp, 0755) < 0)
		ret = -errno;
	if (ret == 0) {
		ret = write_parts(temp, &shown, e);
		if (ret == 0)
			ret = place(temp, shown.dir);
		if (ret < 0)
			remove_dir(temp);
	}
	if (ret == 0)
		return;
	pthread_mutex_lock(&f->lock);
	d->dir[0] = '\0';
	if (!f->error) {
		f->error = -ret;
		snprintf(f->error_what, sizeof(f->error_what), "store a finding in %s", f->dir);
	}
	pthread_mutex_unlock(&f->lock);
}
