/* One row per opcode. An opcode without a row is unknown here: -EINVAL. */
#include "core/op/op.h"
#include "core/ring/cancel.h"
#include "core/ring/msg.h"
#include "core/ring/poll.h"
#include "core/ring/timeout.h"

const struct io_issue_def io_issue_defs[] = {
	[IORING_OP_NOP] = {
		.name = "NOP",
		.prep = io_nop_prep,
		.issue = io_nop,
	},
	[IORING_OP_READV] = {
		.name = "READV",
		.needs_file = true,
		.pollin = true,
		.unbound_nonreg_file = true,
		.prep = io_rwv_prep,
		.issue = io_read,
	},
	[IORING_OP_WRITEV] = {
		.name = "WRITEV",
		.needs_file = true,
		.pollout = true,
		.hash_reg_file = true,
		.unbound_nonreg_file = true,
		.prep = io_rwv_prep,
		.issue = io_write,
	},
	[IORING_OP_FSYNC] = {
		.name = "FSYNC",
		.needs_file = true,
		.prep = io_fsync_prep,
		.issue = io_fsync,
	},
	[IORING_OP_CLOSE] = {
		.name = "CLOSE",
		.prep = io_close_prep,
		.issue = io_close,
	},
	[IORING_OP_STATX] = {
		.name = "STATX",
		.prep = io_statx_prep,
		.issue = io_statx,
	},
	[IORING_OP_SYNC_FILE_RANGE] = {
		.name = "SYNC_FILE_RANGE",
		.needs_file = true,
		.prep = io_sfr_prep,
		.issue = io_sync_file_range,
	},
	[IORING_OP_MADVISE] = {
		.name = "MADVISE",
		.prep = io_madvise_prep,
		.issue = io_madvise,
	},
	[IORING_OP_OPENAT] = {
		.name = "OPENAT",
		.prep = io_openat_prep,
		.issue = io_openat,
	},
	[IORING_OP_SPLICE] = {
		.name = "SPLICE",
		.needs_file = true,
		.hash_reg_file = true,
		.unbound_nonreg_file = true,
		.prep = io_splice_prep,
		.issue = io_splice,
	},
	[IORING_OP_TEE] = {
		.name = "TEE",
		.needs_file = true,
		.hash_reg_file = true,
		.unbound_nonreg_file = true,
		.prep = io_tee_prep,
		.issue = io_tee,
	},
	[IORING_OP_FALLOCATE] = {
		.name = "FALLOCATE",
		.needs_file = true,
		.hash_reg_file = true,
		.prep = io_fallocate_prep,
		.issue = io_fallocate,
	},
	[AU_OP_FTRUNCATE] = {
		.name = "FTRUNCATE",
		.needs_file = true,
		.hash_reg_file = true,
		.prep = io_ftruncate_prep,
		.issue = io_ftruncate,
	},
	[IORING_OP_MSG_RING] = {
		.name = "MSG_RING",
		.needs_file = true,
		.prep = io_msg_ring_prep,
		.issue = io_msg_ring,
	},
	[IORING_OP_POLL_ADD] = {
		.name = "POLL_ADD",
		.needs_file = true,
		.unbound_nonreg_file = true,
		.prep = io_poll_add_prep,
		.issue = io_poll_add,
	},
	[IORING_OP_POLL_REMOVE] = {
		.name = "POLL_REMOVE",
		.prep = io_poll_remove_prep,
		.issue = io_poll_remove,
	},
	[IORING_OP_TIMEOUT] = {
		.name = "TIMEOUT",
		.prep = io_timeout_prep,
		.issue = io_timeout,
	},
	[IORING_OP_TIMEOUT_REMOVE] = {
		.name = "TIMEOUT_REMOVE",
		.prep = io_timeout_remove_prep,
		.issue = io_timeout_remove,
	},
	[IORING_OP_ASYNC_CANCEL] = {
		.name = "ASYNC_CANCEL",
		.prep = io_async_cancel_prep,
		.issue = io_async_cancel,
	},
	[IORING_OP_LINK_TIMEOUT] = {
		.name = "LINK_TIMEOUT",
		.prep = io_link_timeout_prep,
		.issue = io_link_timeout_issue,
	},
	[IORING_OP_READ] = {
		.name = "READ",
		.needs_file = true,
		.pollin = true,
		.unbound_nonreg_file = true,
		.prep = io_rw_prep,
		.issue = io_read,
	},
	[IORING_OP_WRITE] = {
		.name = "WRITE",
		.needs_file = true,
		.pollout = true,
		.hash_reg_file = true,
		.unbound_nonreg_file = true,
		.prep = io_rw_prep,
		.issue = io_write,
	},
};

const unsigned int io_nr_issue_defs = sizeof(io_issue_defs) / sizeof(io_issue_defs[0]);
