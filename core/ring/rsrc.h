/* Registered files: a ring's table of them, and the nodes that keep one alive.
 *
 *	 REGISTER_FILES, FILES_UPDATE,         IOSQE_FIXED_FILE: io_assign_file
 *	 OPENAT or SEND_FD into a slot
 *	      |                                        |
 *	      v  the slot's reference                  v  the request's reference, until it is freed
 *	   SLOT ------------------------> NODE <---- REQUEST
 *	      |                             |
 *	      | update, unregister,         | the last reference is gone: the file is put, and if the node has a tag
 *	      v CLOSE of a slot             v a CQE with it is posted
 *	   empty                          gone
 *
 * So a slot that gets another file, or none, takes nothing away from the requests that have looked it up. A table keeps no
 * ring's file: rings could hold each other for ever.
 *
 * Everything here is under the ring's uring_lock.
 *
 * Source: io_uring_register(2); 6.18, by asking it. */
#ifndef CORE_RING_RSRC_H
#define CORE_RING_RSRC_H

#include <stdint.h>

struct file;
struct io_kiocb;
struct io_mem;
struct io_ring_ctx;
struct io_uring_task;

struct io_rsrc_node {
	unsigned int refs; /* the slot's, and one per request */
	uint64_t tag; /* 0: nothing is said when it goes */
	struct file *file; /* with a reference */
};

struct io_file_table {
	struct io_rsrc_node **nodes; /* nr slots, NULL where empty; NULL: there is no table */
	unsigned int nr;
	unsigned int alloc_start, alloc_end, alloc_hint; /* where slots are looked for that nobody names */
};

/* The node in that slot with a reference for the caller, or NULL. */
struct io_rsrc_node *io_file_node_get(struct io_ring_ctx *ctx, unsigned int slot);
void io_rsrc_node_put(struct io_ring_ctx *ctx, struct io_rsrc_node *node);

/* Puts the file into a slot, which may hold another; slot IORING_FILE_INDEX_ALLOC: a free one, which is then the result.
 * Slots are counted from 1 here, as sqe->file_index is. Takes over the caller's reference, also when it fails: -ENXIO
 * without a table, -EINVAL beyond it, -ENFILE when no slot is free, -EBADF for a ring. */
int io_fixed_fd_install(struct io_ring_ctx *ctx, struct file *file, unsigned int file_slot);
/* Empties slot (counted from 0): 0; -ENXIO, -EINVAL, -EBADF when it is empty. */
int io_fixed_fd_remove(struct io_ring_ctx *ctx, unsigned int slot);

/* The ring is gone. */
void io_files_free(struct io_ring_ctx *ctx);

/* io_uring_register: the rows of register.c. */
int io_register_files(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr);
int io_register_files2(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr);
int io_unregister_files(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr);
int io_register_files_update(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr);
int io_register_files_update2(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int size);
int io_register_file_alloc_range(struct io_ring_ctx *ctx, struct io_uring_task *tctx, void *arg, unsigned int nr);

#endif
