/* The kernel's io_uring interface, as far as Debian's headers (linux 6.1, liburing 2.3) do not have it: up to 6.18,
 * under names of our own with AU_ or au_ in front. What those headers have is used under its own name; this header
 * includes them. base/uapi.c asserts that ours are equal to the system's, where a newer system has them.
 *
 * Fields of struct io_uring_sqe that newer headers name, and where they lie in ours:
 *	nop_flags, install_fd_flags, pipe_flags, futex_flags, waitid_flags	rw_flags
 *	futex: word, expected value, mask, FUTEX2_* flags			addr, addr2, addr3, fd
 *	futex waitv: vector, count						addr, len
 *	waitid: id type, id, infop, options					len, fd, addr2, file_index
 *	ftruncate: length							off
 *	bind: address, its length						addr, addr2
 *	listen: backlog								len
 *	pipe: int[2]								addr
 *	optlen, addr_len							file_index, its low half
 * and of other structs:
 *	io_sqring_offsets.user_addr (NO_MMAP: the SQEs)				resv2
 *	io_cqring_offsets.user_addr (NO_MMAP: the rings)			resv2
 *	io_uring_getevents_arg.min_wait_usec					pad
 *	io_uring_buf_reg.flags							pad
 *	io_uring_sync_cancel_reg.opcode						first byte of pad */
#ifndef CORE_BASE_UAPI_H
#define CORE_BASE_UAPI_H

#include <linux/io_uring.h>
#include <linux/types.h>

/* io_uring_setup flags; the release that brought each */
#define AU_SETUP_NO_MMAP (1U << 14) /* 6.5: rings and SQEs lie in the caller's memory */
#define AU_SETUP_REGISTERED_FD_ONLY (1U << 15) /* 6.5: returns a registered ring's index, no descriptor */
#define AU_SETUP_NO_SQARRAY (1U << 16) /* 6.6: SQEs are taken in order */
#define AU_SETUP_HYBRID_IOPOLL (1U << 17) /* 6.13: sleep before polling */
#define AU_SETUP_CQE_MIXED (1U << 18) /* 6.18: 16- and 32-byte CQEs in one ring */

/* Opcodes after IORING_OP_SENDMSG_ZC */
#define AU_OP_READ_MULTISHOT 49 /* 6.7 */
#define AU_OP_WAITID 50
#define AU_OP_FUTEX_WAIT 51
#define AU_OP_FUTEX_WAKE 52
#define AU_OP_FUTEX_WAITV 53
#define AU_OP_FIXED_FD_INSTALL 54 /* 6.8 */
#define AU_OP_FTRUNCATE 55 /* 6.9 */
#define AU_OP_BIND 56 /* 6.11 */
#define AU_OP_LISTEN 57
#define AU_OP_RECV_ZC 58 /* 6.15 */
#define AU_OP_EPOLL_WAIT 59
#define AU_OP_READV_FIXED 60
#define AU_OP_WRITEV_FIXED 61
#define AU_OP_PIPE 62 /* 6.16 */
#define AU_OP_LAST_6_18 63 /* how many opcodes 6.18 has */

/* Flags of operations */
#define AU_NOP_INJECT_RESULT (1U << 0) /* 6.10: len is the result */
#define AU_NOP_FILE (1U << 1) /* 6.13: look up fd */
#define AU_NOP_FIXED_FILE (1U << 2)
#define AU_NOP_FIXED_BUFFER (1U << 3)
#define AU_NOP_TW (1U << 4) /* 6.17: complete through task work */
#define AU_NOP_CQE32 (1U << 5) /* 6.18 */
#define AU_TIMEOUT_MULTISHOT (1U << 6) /* 6.4: off is the number of shots, 0: no end */
#define AU_ASYNC_CANCEL_USERDATA (1U << 4) /* 6.6: match user_data as well */
#define AU_ASYNC_CANCEL_OP (1U << 5) /* 6.6: match the opcode in len */
#define AU_RECVSEND_BUNDLE (1U << 4) /* 6.10, in ioprio, as those up to VECTORIZED */
#define AU_SEND_ZC_REPORT_USAGE (1U << 3) /* 6.2 */
#define AU_SEND_VECTORIZED (1U << 5) /* 6.17 */
#define AU_NOTIF_USAGE_ZC_COPIED (1U << 31) /* 6.2, in the result of a notification */
#define AU_ACCEPT_DONTWAIT (1U << 1) /* 6.10 */
#define AU_ACCEPT_POLL_FIRST (1U << 2)
#define AU_MSG_RING_FLAGS_PASS (1U << 1) /* 6.3: file_index becomes the CQE's flags */
#define AU_FIXED_FD_NO_CLOEXEC (1U << 0) /* 6.8 */
#define AU_URING_CMD_MULTISHOT (1U << 1) /* 6.18 */
#define AU_RW_ATTR_FLAG_PI (1U << 0) /* 6.14 */

/* Socket commands of IORING_OP_URING_CMD */
#define AU_SOCKET_URING_OP_SIOCINQ 0 /* 6.5 */
#define AU_SOCKET_URING_OP_SIOCOUTQ 1
#define AU_SOCKET_URING_OP_GETSOCKOPT 2 /* 6.7 */
#define AU_SOCKET_URING_OP_SETSOCKOPT 3
#define AU_SOCKET_URING_OP_TX_TIMESTAMP 4 /* 6.17 */

/* CQE flags */
#define AU_CQE_F_BUF_MORE (1U << 4) /* 6.12: the buffer is not used up */
#define AU_CQE_F_SKIP (1U << 5) /* 6.18: fills the end of a mixed ring; no completion */
#define AU_CQE_F_32 (1U << 15) /* 6.18: a 32-byte CQE in a mixed ring */

/* mmap offsets */
#define AU_OFF_PBUF_RING 0x80000000ULL /* 6.4, ORed with bgid << AU_OFF_PBUF_SHIFT */
#define AU_OFF_PBUF_SHIFT 16
#define AU_OFF_MMAP_MASK 0xf8000000ULL

/* io_uring_enter flags */
#define AU_ENTER_ABS_TIMER (1U << 5) /* 6.12: the time-out is a point in time */
#define AU_ENTER_EXT_ARG_REG (1U << 6) /* 6.13: argp is an offset into the registered wait region */
#define AU_ENTER_NO_IOWAIT (1U << 7) /* 6.15 */

/* Features */
#define AU_FEAT_REG_REG_RING (1U << 13) /* 6.3 */
#define AU_FEAT_RECVSEND_BUNDLE (1U << 14) /* 6.10 */
#define AU_FEAT_MIN_TIMEOUT (1U << 15) /* 6.12 */
#define AU_FEAT_RW_ATTR (1U << 16) /* 6.14 */
#define AU_FEAT_NO_IOWAIT (1U << 17) /* 6.15 */

/* io_uring_register opcodes after IORING_REGISTER_FILE_ALLOC_RANGE */
#define AU_REGISTER_PBUF_STATUS 26 /* 6.8 */
#define AU_REGISTER_NAPI 27 /* 6.9 */
#define AU_UNREGISTER_NAPI 28
#define AU_REGISTER_CLOCK 29 /* 6.12 */
#define AU_REGISTER_CLONE_BUFFERS 30
#define AU_REGISTER_SEND_MSG_RING 31 /* 6.13 */
#define AU_REGISTER_ZCRX_IFQ 32 /* 6.15 */
#define AU_REGISTER_RESIZE_RINGS 33 /* 6.13 */
#define AU_REGISTER_MEM_REGION 34
#define AU_REGISTER_QUERY 35 /* 6.18 */
#define AU_REGISTER_LAST_6_18 36 /* how many register opcodes 6.18 has */

/* ORed into a register opcode: fd is a registered ring's index. 6.3 */
#define AU_REGISTER_USE_REGISTERED_RING (1U << 31)

/* Their flags */
#define AU_PBUF_RING_MMAP 1U /* 6.4: the kernel allocates the ring; mmap it */
#define AU_PBUF_RING_INC 2U /* 6.12: buffers are consumed piece by piece */
#define AU_REGISTER_SRC_REGISTERED (1U << 0) /* clone: src_fd is a registered ring's index */
#define AU_REGISTER_DST_REPLACE (1U << 1) /* 6.13: clone over what is there */
#define AU_MEM_REGION_TYPE_USER 1U
#define AU_MEM_REGION_REG_WAIT_ARG 1U
#define AU_REG_WAIT_TS (1U << 0)

/* Their arguments */
struct au_buf_status {
	__u32 buf_group;
	__u32 head; /* out */
	__u32 resv[8];
};

struct au_napi {
	__u32 busy_poll_to; /* microseconds */
	__u8 prefer_busy_poll;
	__u8 opcode; /* 6.13 */
	__u8 pad[2];
	__u32 op_param;
	__u32 resv;
};

struct au_clock_register {
	__u32 clockid;
	__u32 resv[3];
};

struct au_clone_buffers {
	__u32 src_fd;
	__u32 flags;
	__u32 src_off; /* 6.13, as the next two */
	__u32 dst_off;
	__u32 nr;
	__u32 pad[3];
};

struct au_region_desc {
	__u64 user_addr;
	__u64 size;
	__u32 flags;
	__u32 id;
	__u64 mmap_offset;
	__u64 resv[4];
};

struct au_mem_region_reg {
	__u64 region_uptr; /* a struct au_region_desc */
	__u64 flags;
	__u64 resv[2];
};

struct au_reg_wait {
	struct __kernel_timespec ts;
	__u32 min_wait_usec;
	__u32 flags;
	__u64 sigmask;
	__u32 sigmask_sz;
	__u32 pad[3];
	__u64 pad2[2];
};

/* Flags of the futex operations: the size of the word in the low two bits. 6.7 */
#define AU_FUTEX2_SIZE_MASK 0x03U
#define AU_FUTEX2_SIZE_U32 0x02U
#define AU_FUTEX2_NUMA 0x04U
#define AU_FUTEX2_MPOL 0x08U /* 6.16 */
#define AU_FUTEX2_PRIVATE 0x80U

/* Read and write flags */
#define AU_RWF_NOAPPEND 0x20U /* 6.9 */
#define AU_RWF_ATOMIC 0x40U /* 6.11 */
#define AU_RWF_DONTCACHE 0x80U /* 6.14 */
#define AU_RWF_NOSIGNAL 0x100U /* 6.18 */

#endif
