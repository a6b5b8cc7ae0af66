#include "oracle/court.h"
#include "oracle/scratch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *res_name(int64_t res)
{
	static const struct {
		int err;
		const char *name;
	} names[] = {
		{ EPERM, "-EPERM" },	     { ENOENT, "-ENOENT" },
		{ EINTR, "-EINTR" },	     { EIO, "-EIO" },
		{ EBADF, "-EBADF" },	     { EAGAIN, "-EAGAIN" },
		{ ENOMEM, "-ENOMEM" },	     { EACCES, "-EACCES" },
		{ EFAULT, "-EFAULT" },	     { EBUSY, "-EBUSY" },
		{ EEXIST, "-EEXIST" },	     { EINVAL, "-EINVAL" },
		{ EFBIG, "-EFBIG" },	     { ENOSPC, "-ENOSPC" },
		{ ESPIPE, "-ESPIPE" },	     { EPIPE, "-EPIPE" },
		{ EBADR, "-EBADR" },	     { ETIME, "-ETIME" },
		{ EOVERFLOW, "-EOVERFLOW" }, { EBADFD, "-EBADFD" },
		{ EALREADY, "-EALREADY" },   { EOPNOTSUPP, "-EOPNOTSUPP" },
		{ ECANCELED, "-ECANCELED" }, { 512, "-ERESTARTSYS" },
	};
	static _Thread_local char ring[4][24];
	static _Thread_local unsigned int at;
	char *buf = ring[at++ % 4];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (res == -names[i].err)
			return names[i].name;
	snprintf(buf, sizeof(ring[0]), "%lld", (long long)res);
	return buf;
}

void accuse(struct court *c, enum rule_id rule, uint32_t event, unsigned int req, unsigned int other, const char *fmt,
	    ...)
{
	const struct rule *r = &rule_table[rule];
	char text[320], a[40], b[40], *bar;
	struct finding *fi;
	va_list ap;

	if (!(r->profiles & 1u << c->f->profile))
		return;
	if (c->out->kind != FORBIDDEN)
		c->out->kind = r->verdict;
	if (c->out->nr++ >= VERDICT_MAX_FINDINGS)
		return;
	fi = &c->out->finding[c->out->nr - 1];
	*fi = (struct finding){ .rule = r, .event = event, .req = (uint16_t)req, .other = (uint16_t)other };
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	bar = strchr(text, '|');
	if (bar)
		*bar = '\0';
	snprintf(fi->seen, sizeof(fi->seen), "%.*s", (int)sizeof(fi->seen) - 1, text);
	snprintf(fi->allowed, sizeof(fi->allowed), "%.*s", (int)sizeof(fi->allowed) - 1, bar ? bar + 1 : r->sentence);
	a[0] = b[0] = '\0';
	if (req != REC_NO_REQ)
		role_of(c->f, req, a, sizeof(a));
	if (other != REC_NO_REQ)
		role_of(c->f, other, b, sizeof(b));
	snprintf(fi->id, sizeof(fi->id), "%s%s%s%s%s", r->name, a[0] ? "/" : "", a, b[0] ? "," : "", b);
}

enum profile_id oracle_profile(const struct record *rec)
{
	char release[sizeof(rec->release) + 1];
	int major = 0, minor = 0;

	/* A hand that ran amok need not have left an end. */
	snprintf(release, sizeof(release), "%.*s", (int)sizeof(rec->release), rec->release);
	if (rec->runner != RUNNER_KERNEL || sscanf(release, "%d.%d", &major, &minor) != 2)
		return PROFILE_CORRECTED;
	if (major > 6 || (major == 6 && minor > 18))
		return PROFILE_CORRECTED;
	if (major == 6 && minor > 12)
		return PROFILE_6_18;
	if (major == 6 && minor > 6)
		return PROFILE_6_12;
	return PROFILE_6_1;
}

const struct rule *oracle_rules(unsigned int *nr)
{
	*nr = RULES;
	return rule_table;
}

int judge(const struct stream *s, const struct record *rec, enum profile_id profile, struct verdict *out,
	  const char **why, unsigned int *event)
{
	return judge_and_count(s, rec, profile, out, NULL, why, event);
}

int judge_and_count(const struct stream *s, const struct record *rec, enum profile_id profile, struct verdict *out,
		    struct cells *cells, const char **why, unsigned int *event)
{
	static void (*const laws[])(struct court *) = { law_events,   law_submit,  law_register, law_files,
							law_messages, law_results, law_chains,	 law_cancels,
							law_timeouts, law_data,	   law_states };
	static _Thread_local struct facts f; /* large; a judge does not call itself */
	struct court c = { .f = &f, .out = out };
	int ret;

	out->kind = ALLOWED;
	out->nr = 0;
	ret = facts_gather(&f, s, rec, profile, why, event);
	if (ret)
		return ret;
	if (cells) {
		c.told = scratch(SCRATCH_TOLD, sizeof(*c.told));
		memset(c.told->state, CELL_UNKNOWN, s->nr_reqs * sizeof(c.told->state[0]));
	}
	for (size_t i = 0; i < sizeof(laws) / sizeof(laws[0]); i++)
		laws[i](&c);
	if (cells)
		cells_count(&f, c.told, cells);
	if (!f.complete && out->kind == ALLOWED)
		out->kind = UNDECIDED;
	return 0;
}
