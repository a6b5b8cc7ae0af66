#include "stream/optable.h"

#include <errno.h>
#include <linux/fs.h>
#include <poll.h>
#include <string.h>

#include "core/base/uapi.h"

#define NR(table) (sizeof(table) / sizeof((table)[0]))

const struct stream_word stream_sqe_flags[] = {
	{ "async", IOSQE_ASYNC },	    { "link", IOSQE_IO_LINK },
	{ "hardlink", IOSQE_IO_HARDLINK },  { "drain", IOSQE_IO_DRAIN },
	{ "skip", IOSQE_CQE_SKIP_SUCCESS }, { "buffer_select", IOSQE_BUFFER_SELECT },
	{ "fixed", IOSQE_FIXED_FILE },	    { NULL, 0 },
};

const struct stream_word stream_ring_flags[] = {
	{ "single_issuer", IORING_SETUP_SINGLE_ISSUER }, { "defer_taskrun", IORING_SETUP_DEFER_TASKRUN },
	{ "coop_taskrun", IORING_SETUP_COOP_TASKRUN },	 { "taskrun_flag", IORING_SETUP_TASKRUN_FLAG },
	{ "submit_all", IORING_SETUP_SUBMIT_ALL },	 { "clamp", IORING_SETUP_CLAMP },
	{ "r_disabled", IORING_SETUP_R_DISABLED },	 { NULL, 0 },
};

const struct stream_word stream_poll_events[] = {
	{ "in", POLLIN },   { "pri", POLLPRI }, { "out", POLLOUT },
	{ "err", POLLERR }, { "hup", POLLHUP }, { "rdhup", 0x2000 }, /* POLLRDHUP, which poll.h has only for some */
	{ NULL, 0 },
};

const struct stream_word stream_obj_kinds[] = {
	{ "pipe", OBJ_PIPE }, { "eventfd", OBJ_EVENTFD }, { "file", OBJ_FILE }, { "fifo", OBJ_FIFO }, { NULL, 0 },
};

const struct stream_word stream_obj_flags[] = {
	{ "nonblock", OBJ_NONBLOCK },
	{ "semaphore", OBJ_SEMAPHORE },
	{ NULL, 0 },
};

const struct stream_word stream_step_kinds[] = {
	{ "submit", STEP_SUBMIT },
	{ "wait", STEP_WAIT },
	{ "reap", STEP_REAP },
	{ "peek", STEP_PEEK },
	{ "write", STEP_WRITE },
	{ "read", STEP_READ },
	{ "max_workers", STEP_MAX_WORKERS },
	{ "iowq_aff", STEP_IOWQ_AFF },
	{ "iowq_aff", STEP_IOWQ_UNAFF },
	{ "files", STEP_FILES },
	{ "slot", STEP_SLOT },
	{ "unfiles", STEP_UNFILES },
	{ "probe", STEP_PROBE },
	{ "tell", STEP_TELL },
	{ "open", STEP_OPEN },
	{ "close", STEP_CLOSE },
	{ "close", STEP_CLOSE_RING },
	{ "exit", STEP_EXIT_THREAD },
	{ "exit", STEP_EXIT_PROCESS },
	{ NULL, 0 },
};

const struct stream_word stream_schedules[] = {
	{ "walk", 1 },
	{ "replay", 2 },
	{ NULL, 0 },
};

const struct stream_word stream_errnos[] = {
	{ "EPERM", EPERM },	    { "ENOENT", ENOENT },
	{ "EINTR", EINTR },	    { "EIO", EIO },
	{ "ENXIO", ENXIO },	    { "EBADF", EBADF },
	{ "ECHILD", ECHILD },	    { "EAGAIN", EAGAIN },
	{ "ENOMEM", ENOMEM },	    { "EACCES", EACCES },
	{ "EFAULT", EFAULT },	    { "EBUSY", EBUSY },
	{ "EEXIST", EEXIST },	    { "ENODEV", ENODEV },
	{ "ENOTDIR", ENOTDIR },	    { "EISDIR", EISDIR },
	{ "EINVAL", EINVAL },	    { "ENFILE", ENFILE },
	{ "EMFILE", EMFILE },	    { "EFBIG", EFBIG },
	{ "ENOSPC", ENOSPC },	    { "ESPIPE", ESPIPE },
	{ "EROFS", EROFS },	    { "EPIPE", EPIPE },
	{ "ERANGE", ERANGE },	    { "EDEADLK", EDEADLK },
	{ "ENOSYS", ENOSYS },	    { "ETIME", ETIME },
	{ "EPROTO", EPROTO },	    { "EBADFD", EBADFD },
	{ "EOVERFLOW", EOVERFLOW }, { "EOPNOTSUPP", EOPNOTSUPP },
	{ "ENOBUFS", ENOBUFS },	    { "ETIMEDOUT", ETIMEDOUT },
	{ "EALREADY", EALREADY },   { "EINPROGRESS", EINPROGRESS },
	{ "ECANCELED", ECANCELED }, { "EOWNERDEAD", EOWNERDEAD },
	{ "EBADR", EBADR },	    { "ENOTSUP", EOPNOTSUPP },
	{ "EWOULDBLOCK", EAGAIN },  { NULL, 0 },
};

static const struct stream_word no_flags[] = {
	{ NULL, 0 },
};

static const struct stream_word rw_flags[] = {
	{ "nowait", RWF_NOWAIT }, { "append", RWF_APPEND }, { "dsync", RWF_DSYNC }, { "sync", RWF_SYNC }, { NULL, 0 },
};

static const struct stream_word timeout_flags[] = {
	{ "etime_success", IORING_TIMEOUT_ETIME_SUCCESS },
	{ "boottime", IORING_TIMEOUT_BOOTTIME },
	{ "realtime", IORING_TIMEOUT_REALTIME },
	{ NULL, 0 },
};

/* `fd` and `op` are said by fd= and op=. */
static const struct stream_word cancel_flags[] = {
	{ "any", IORING_ASYNC_CANCEL_ANY },
	{ "all", IORING_ASYNC_CANCEL_ALL },
	{ "userdata", AU_ASYNC_CANCEL_USERDATA },
	{ NULL, 0 },
};

/* What is spliced, or copied by tee, comes from a slot. */
static const struct stream_word move_flags[] = {
	{ "in_fixed", SPLICE_F_FD_IN_FIXED },
	{ NULL, 0 },
};

/* `pass`: the CQE that arrives has flags. `cqe_skip`: none arrives; of a MSG_RING that is refused. */
static const struct stream_word msg_flags[] = {
	{ "cqe_skip", IORING_MSG_RING_CQE_SKIP },
	{ "pass", AU_MSG_RING_FLAGS_PASS },
	{ NULL, 0 },
};

static const struct stream_word fsync_flags[] = {
	{ "datasync", IORING_FSYNC_DATASYNC },
	{ NULL, 0 },
};

#define RWF_BITS (RWF_NOWAIT | RWF_APPEND | RWF_DSYNC | RWF_SYNC)
#define TIMEOUT_BITS (IORING_TIMEOUT_ETIME_SUCCESS | IORING_TIMEOUT_BOOTTIME | IORING_TIMEOUT_REALTIME)
#define CANCEL_BITS (IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL | AU_ASYNC_CANCEL_USERDATA)

const struct stream_oprow stream_ops[SOP_NR] = {
	[SOP_NOP] = { "nop", IORING_OP_NOP, 0, 0, no_flags, 0, 0 },
	[SOP_READ] = { "read", IORING_OP_READ, FIELD_FD | FIELD_LEN | FIELD_OFF, FIELD_FD | FIELD_LEN, rw_flags,
		       RWF_BITS, OP_READS | OP_HOLDS },
	[SOP_WRITE] = { "write", IORING_OP_WRITE, FIELD_FD | FIELD_LEN | FIELD_OFF | FIELD_VALUE, FIELD_FD | FIELD_LEN,
			rw_flags, RWF_BITS, OP_WRITES | OP_HOLDS },
	[SOP_POLL_ADD] = { "poll_add", IORING_OP_POLL_ADD, FIELD_FD | FIELD_EVENTS, FIELD_FD | FIELD_EVENTS, no_flags,
			   0, OP_HOLDS },
	[SOP_TIMEOUT] = { "timeout", IORING_OP_TIMEOUT, FIELD_TS | FIELD_COUNT, FIELD_TS, timeout_flags, TIMEOUT_BITS,
			  0 },
	[SOP_TIMEOUT_REMOVE] = { "timeout_remove", IORING_OP_TIMEOUT_REMOVE, FIELD_TARGET, FIELD_TARGET, no_flags, 0,
				 0 },
	[SOP_LINK_TIMEOUT] = { "link_timeout", IORING_OP_LINK_TIMEOUT, FIELD_TS, FIELD_TS, timeout_flags, TIMEOUT_BITS,
			       0 },
	[SOP_ASYNC_CANCEL] = { "cancel", IORING_OP_ASYNC_CANCEL, FIELD_TARGET | FIELD_FD | FIELD_OP, 0, cancel_flags,
			       CANCEL_BITS, 0 },
	[SOP_FSYNC] = { "fsync", IORING_OP_FSYNC, FIELD_FD, FIELD_FD, fsync_flags, IORING_FSYNC_DATASYNC,
			OP_HOLDS | OP_FORCED | OP_KEEPS },
	[SOP_FALLOCATE] = { "fallocate", IORING_OP_FALLOCATE, FIELD_FD | FIELD_LEN | FIELD_OFF, FIELD_FD | FIELD_LEN,
			    no_flags, 0, OP_HOLDS | OP_FORCED | OP_KEEPS | OP_SIZES | OP_FILES },
	[SOP_FTRUNCATE] = { "ftruncate", AU_OP_FTRUNCATE, FIELD_FD | FIELD_LEN, FIELD_FD | FIELD_LEN, no_flags, 0,
			    OP_HOLDS | OP_FORCED | OP_KEEPS | OP_SIZES | OP_FILES },
	[SOP_READV] = { "readv", IORING_OP_READV, FIELD_FD | FIELD_LEN | FIELD_OFF | FIELD_IOVS, FIELD_FD | FIELD_LEN,
			rw_flags, RWF_BITS, OP_READS | OP_HOLDS },
	[SOP_WRITEV] = { "writev", IORING_OP_WRITEV, FIELD_FD | FIELD_LEN | FIELD_OFF | FIELD_VALUE | FIELD_IOVS,
			 FIELD_FD | FIELD_LEN, rw_flags, RWF_BITS, OP_WRITES | OP_HOLDS },
	[SOP_SPLICE] = { "splice", IORING_OP_SPLICE, FIELD_FD | FIELD_IN | FIELD_LEN | FIELD_IN_OFF,
			 FIELD_FD | FIELD_IN | FIELD_LEN, move_flags, SPLICE_F_FD_IN_FIXED,
			 OP_MOVES | OP_HOLDS | OP_FORCED },
	[SOP_TEE] = { "tee", IORING_OP_TEE, FIELD_FD | FIELD_IN | FIELD_LEN, FIELD_FD | FIELD_IN | FIELD_LEN,
		      move_flags, SPLICE_F_FD_IN_FIXED, OP_MOVES | OP_HOLDS | OP_FORCED },
	[SOP_OPENAT] = { "openat", IORING_OP_OPENAT, FIELD_FD, FIELD_FD, no_flags, 0, 0 },
	[SOP_CLOSE] = { "close", IORING_OP_CLOSE, FIELD_FD, FIELD_FD, no_flags, 0, 0 },
	[SOP_STATX] = { "statx", IORING_OP_STATX, FIELD_FD, FIELD_FD, no_flags, 0, OP_FORCED | OP_KEEPS },
	[SOP_SYNC_FILE_RANGE] = { "sync_file_range", IORING_OP_SYNC_FILE_RANGE, FIELD_FD | FIELD_LEN | FIELD_OFF,
				  FIELD_FD | FIELD_LEN, no_flags, 0, OP_HOLDS | OP_FORCED | OP_KEEPS | OP_FILES },
	[SOP_MADVISE] = { "madvise", IORING_OP_MADVISE, 0, 0, no_flags, 0, OP_FORCED | OP_KEEPS },
	[SOP_MSG_RING] = { "msg_ring", IORING_OP_MSG_RING, FIELD_TO | FIELD_RES, FIELD_TO, msg_flags,
			   IORING_MSG_RING_CQE_SKIP | AU_MSG_RING_FLAGS_PASS, 0 },
	[SOP_SEND_FD] = { "send_fd", IORING_OP_MSG_RING, FIELD_TO | FIELD_FD, FIELD_TO | FIELD_FD, msg_flags,
			  IORING_MSG_RING_CQE_SKIP | AU_MSG_RING_FLAGS_PASS, 0 },
};

const char *const stream_field_words[FIELDS] = {
	"fd", "len", "off", "value", "events", "ts", "count", "target", "op", "iovs", "in", "in_off", "to", "res",
};

uint32_t stream_word_bits(const struct stream_word *table)
{
	uint32_t bits = 0;

	for (; table->word; table++)
		bits |= table->value;
	return bits;
}

const struct stream_word *stream_word_find(const struct stream_word *table, const char *word, size_t len)
{
	for (; table->word; table++)
		if (strncmp(table->word, word, len) == 0 && table->word[len] == '\0')
			return table;
	return NULL;
}

const char *stream_word_of(const struct stream_word *table, uint32_t value)
{
	for (; table->word; table++)
		if (table->value == value)
			return table->word;
	return NULL;
}

unsigned int stream_op_find(const char *word, size_t len)
{
	unsigned int op;

	for (op = 0; op < SOP_NR; op++)
		if (strncmp(stream_ops[op].word, word, len) == 0 && stream_ops[op].word[len] == '\0')
			break;
	return op;
}

/* What a transfer does not take, by the kind of its object: only files have offsets, only eventfds have values, and these
 * are moved in one piece (each piece would be a write of its own). */
static const uint16_t kind_lacks[OBJ_KINDS + 1] = {
	[OBJ_PIPE] = FIELD_OFF | FIELD_VALUE, [OBJ_EVENTFD] = FIELD_OFF | FIELD_IOVS, [OBJ_FILE] = FIELD_VALUE,
	[OBJ_FIFO] = FIELD_OFF | FIELD_VALUE, [OBJ_KINDS] = FIELD_OFF | FIELD_VALUE,
};

uint32_t stream_op_takes(unsigned int op, unsigned int obj_kind)
{
	return stream_ops[op].takes & ~(uint32_t)kind_lacks[obj_kind];
}

uint32_t stream_op_needs(unsigned int op, unsigned int obj_kind)
{
	uint32_t needs = stream_ops[op].needs;

	/* An eventfd moves 8 bytes unless told otherwise, and what it is to add has to be said. */
	if (obj_kind == OBJ_EVENTFD) {
		needs &= ~(uint32_t)FIELD_LEN;
		needs |= stream_ops[op].takes & FIELD_VALUE;
	}
	return needs;
}

static bool names(const struct fdref *fd, unsigned int obj)
{
	return fd->kind == FD_OBJ && fd->obj == obj;
}

bool stream_takes_from(const struct sreq *r, unsigned int obj)
{
	if (stream_op_is(r->op, OP_MOVES))
		return r->op == SOP_SPLICE && names(&r->in, obj);
	return stream_op_is(r->op, OP_READS) && names(&r->fd, obj);
}

bool stream_puts_into(const struct sreq *r, unsigned int obj)
{
	return stream_op_is(r->op, OP_WRITES | OP_MOVES) && names(&r->fd, obj);
}

bool stream_is_async(const struct sreq *r)
{
	return (r->sqe_flags & IOSQE_ASYNC) || stream_op_is(r->op, OP_FORCED);
}

bool stream_may_be_fixed(const struct sreq *r)
{
	if (r->op == SOP_ASYNC_CANCEL)
		return r->op_flags & IORING_ASYNC_CANCEL_FD;
	return stream_ops[r->op].takes & FIELD_FD && r->op != SOP_OPENAT && r->op != SOP_SEND_FD;
}

bool stream_cancel_by_target(uint32_t flags)
{
	if (flags & IORING_ASYNC_CANCEL_ANY)
		return false;
	return !(flags & (IORING_ASYNC_CANCEL_FD | AU_ASYNC_CANCEL_OP)) || (flags & AU_ASYNC_CANCEL_USERDATA);
}
