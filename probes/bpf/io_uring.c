/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The life of io_uring requests, from the tracepoints of io_uring/io_uring.c.
 *
 * A request is remembered at io_uring_submit_req (or io_uring_req_failed, when the
 * kernel refuses its SQE) and accounted at io_uring_complete or io_uring_cqe_overflow.
 * Completions are recognised by the request's address, never by user_data, which the
 * application may repeat; only completions that the kernel posts without naming their
 * request (multishot, zero-copy notifications) are found through (ring, user_data).
 * Operations begun before the capture: before.h.
 */
#include "facts.h"
#include "before.h"

#ifdef IO_URING

#ifdef TYPED_SUBMIT
#define LOAD_REQ LOAD_TYPED
#else
#define LOAD_REQ LOAD_PROBED
#endif

#ifdef FLOOR
int io_uring_submit_req(struct bpf_raw_tracepoint_args *ctx)
{
	count(FLOOR_EVENTS);
	return 0;
}

int io_uring_complete(struct bpf_raw_tracepoint_args *ctx)
{
	count(FLOOR_EVENTS);
	return 0;
}
#else

/* An operation whose request structure is reused ended without a completion. Its ring
 * need not be the one that reuses it: a closed ring gives its requests back to all. */
static __always_inline void superseded(struct entry *entry, u64 now)
{
	struct request *request = &entry->request;
	int hidden = request->sqe_flags & SQE_CQE_SKIP;
	int counted = !(request->flags & REQUEST_BEFORE);
	if (!hidden && counted) {
		struct ring *ring = ring_of_number(request->ring);
		if (ring)
			ring->superseded++;
	}
#ifdef STREAM
	struct completion completion = {
		.now = now, .user_data = request->user_data, .ring = request->ring,
		.kind = KIND_SILENT, .path = request->path, .sqe_flags_mask = 0xff,
	};
	emit(request, sqe_fields(entry), sqe_of(entry), &completion);
#else
	struct totals *totals = totals_of(request->opcode);
	if (totals && !hidden)
		ADD(totals->silent, 1);
#endif
}

static __always_inline void note_batch(struct ring *ring, u32 sq_head)
{
	if (ring->seen & SEEN_SQ_HEAD && ring->sq_head == sq_head)
		return;
	ring->seen |= SEEN_SQ_HEAD;
	ring->sq_head = sq_head;
	ring->batches++;
}

static __always_inline void remember(u64 req_argument, u64 octx_argument, u8 opcode, u64 user_data, s32 fd,
				     u64 req_flags, u32 sq_head, const struct sqe *sqe, u8 path, u64 id)
{
	u64 req = number(req_argument), octx = number(octx_argument);
	struct ring *ring = ring_find(octx);
	if (rare(!ring)) {
		ring = ring_insert(octx, id >> 32);
		if (!ring)
			return;
	}
	if (rare(!(ring->seen & (SEEN_FD | SEEN_CREATED)))) {
		ring->seen |= SEEN_CREATED;
		ring_find_fd(ring, octx);
	}
	note_batch(ring, sq_head);
	ring->flush_open = 0;

	u64 now = bpf_ktime_get_ns();
	struct entry *entry = request_claim(req);
	if (!entry)
		return;
	if (rare(entry->request.submitted_ns)) {
		superseded(entry, now);
		if (entry->request.flags & REQUEST_POSTS_MANY)
			open_end(octx, OPEN_MULTISHOT, req, entry->request.user_data);
	}
	struct request *request = &entry->request;
	request->submitted_ns = now;
	request->user_data = user_data;
	request->tgid = id >> 32;
	request->fd = fd;
	request->opcode = opcode;
	request->path = path;
	request->sqe_flags = req_flags & 0x7f;
	request->flags = 0;
	request->ring = ring->number;
#ifdef STREAM
	request->tid = id;
	request->previous_ns = 0;
	request->sequence = 0;
	request->chain = 0;
	request->chain_position = 0;
#endif
	u8 posts_many = !!(req_flags & REQ_POSTS_MANY);
#ifdef ARGUMENTS
	if (sqe) {
		/* The kernel keeps the descriptor only for operations that need a file. */
		request->fd = sqe->fd;
		request->sqe_flags |= SQE_ARGUMENTS_SEEN;
		if (sqe->ioprio | sqe->len | sqe->off | sqe->addr | sqe->op_flags | sqe->buf_index |
		    sqe->personality | sqe->file_index | sqe->addr3) {
			request->flags |= REQUEST_NONZERO;
			entry->sqe = *sqe;
		}
	}
#endif
	if (rare(sqe) && ((opcode == OP_POLL_ADD && sqe->len & POLL_ADD_MULTI) ||
		    (opcode == OP_TIMEOUT && sqe->op_flags & TIMEOUT_MULTISHOT) ||
		    (opcode == OP_URING_CMD && sqe->op_flags & URING_CMD_MULTISHOT) ||
		    (opcode == OP_SEND && sqe->ioprio & RECVSEND_BUNDLE)))
		posts_many = 1;
	if (rare(sqe && !path && opcode == OP_POLL_REMOVE && sqe->len & POLL_UPDATE_USER_DATA))
		open_rename(octx, sqe->addr, sqe->off);
	if (rare(posts_many)) {
		request->flags |= REQUEST_POSTS_MANY;
		open_add(octx, OPEN_MULTISHOT, req, request);
	}

	ring->submitted++;
	if (req_flags & SQE_CQE_SKIP)
		ring->hidden++;
	u64 in_flight_now = ring->submitted - ring->hidden - ring->superseded - ring->ended;
	if (in_flight_now > ring->in_flight_max)
		ring->in_flight_max = in_flight_now;
#ifndef STREAM
	struct totals *totals = totals_of(opcode);
	if (totals) {
		ADD(totals->submitted, 1);
		if (req_flags & SQE_CQE_SKIP)
			ADD(totals->silent, 1);
	}
#endif
}

/* The SQE is in memory shared with the application; it was consumed just now, so the
 * kernel still reads the same one. It is taken only when it is the request's. */
static __always_inline int read_sqe(struct sqe *sqe, u64 octx, u64 user_data, u8 opcode)
{
	u32 flags = LOAD_REQ(u32, octx, OFF_CTX_FLAGS);
	u32 mask = LOAD_REQ(u32, octx, OFF_CTX_SQ_ENTRIES) - 1;
	u32 index = (LOAD_REQ(u32, octx, OFF_CTX_CACHED_SQ_HEAD) - 1) & mask;
	u64 array = LOAD_REQ(u64, octx, OFF_CTX_SQ_ARRAY);
	u64 sqes = number(LOAD_REQ(u64, octx, OFF_CTX_SQ_SQES));
	if (array && !(flags & SETUP_NO_SQARRAY))
		index = LOAD_PROBED(u32, number(array), index * 4) & mask;
	if (flags & SETUP_SQE128)
		index <<= 1;
	if (bpf_probe_read_kernel(sqe, sizeof(*sqe), (void *)(sqes + (u64)index * sizeof(*sqe))))
		return 0;
	return sqe->user_data == user_data && sqe->opcode == opcode;
}

int io_uring_submit_req(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = current_id();
	if (!is_target(id >> 32))
		return 0;
	u64 req = ctx->args[SUBMIT_REQ];
	u64 octx = LOAD_REQ(u64, req, OFF_REQ_CTX);
	u64 user_data = LOAD_REQ(u64, req, OFF_REQ_USER_DATA);
	if (ran_already(number(req) ^ user_data))
		return 0;
	u8 opcode = LOAD_REQ(u8, req, OFF_REQ_OPCODE);
	s32 fd = LOAD_REQ(s32, req, OFF_REQ_FD);
	u64 flags = LOAD_REQ(REQ_FLAGS_TYPE, req, OFF_REQ_FLAGS);
	u64 ring_memory = LOAD_REQ(u64, octx, OFF_CTX_RINGS);
	u32 sq_head = LOAD_REQ(u32, ring_memory, OFF_RINGS_SQ_HEAD);
	struct sqe sqe;
	int seen = 0;
#ifndef ARGUMENTS
	if (opcode == OP_POLL_ADD || opcode == OP_POLL_REMOVE || opcode == OP_TIMEOUT || opcode == OP_URING_CMD || opcode == OP_SEND)
#endif
		seen = read_sqe(&sqe, octx, user_data, opcode);
	remember(req, octx, opcode, user_data, fd, flags, sq_head, seen ? &sqe : 0, 0, id);
	return 0;
}

#ifdef STREAM
static __always_inline void join_chain(u64 octx, u64 req, u64 before)
{
	struct entry *entry = request_find(req), *head = request_find(before);
	if (!entry || !head)
		return;
	struct ring *ring = ring_find(octx);
	if (!ring)
		return;
	if (!head->request.chain) {
		head->request.chain = head->request.submitted_ns;
		ring->chain_position = 0;
	}
	entry->request.chain = head->request.chain;
	entry->request.chain_position = ++ring->chain_position;
}
#endif

#ifdef FAILED_REQ
int io_uring_req_failed(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = current_id();
	if (!is_target(id >> 32))
		return 0;
	u64 req = number(ctx->args[FAILED_REQ]);
	if (ran_already(req))
		return 0;
	u64 octx = LOAD_PROBED(u64, req, OFF_REQ_CTX);
	u64 ring_memory = LOAD_PROBED(u64, octx, OFF_CTX_RINGS);
	u32 sq_head = LOAD_PROBED(u32, ring_memory, OFF_RINGS_SQ_HEAD);
	struct sqe sqe = {};
	bpf_probe_read_kernel(&sqe, sizeof(sqe), (void *)number(ctx->args[FAILED_SQE]));
	/* The kernel took the SQE's flags only if they were valid; the SQE tells what was asked. */
	remember(req, octx, sqe.opcode, sqe.user_data, sqe.fd, sqe.flags, sq_head, &sqe, PATH_REJECTED, id);
#if defined(STREAM) && defined(OFF_CTX_LINK_HEAD) && defined(OFF_CTX_LINK_LAST)
	/* The kernel takes it into the chain it is assembling, and does not trace that
	 * (io_submit_fail_init). */
	if (LOAD_PROBED(u64, octx, OFF_CTX_LINK_HEAD))
		join_chain(octx, req, LOAD_PROBED(u64, octx, OFF_CTX_LINK_LAST));
#endif
	return 0;
}
#endif

static __always_inline int mark(u64 req, u8 path)
{
	struct entry *entry = request_find(req);
	if (entry)
		entry->request.path |= path;
	return entry != 0;
}

#ifdef POLL_ARM_REQ
int io_uring_poll_arm(struct bpf_raw_tracepoint_args *ctx)
{
	u64 req = number(ctx->args[POLL_ARM_REQ]);
	/* Not entered when it is unknown: where a worker armed it, it may be done and gone. */
	if (!ran_already(req))
		mark(req, PATH_POLL);
	return 0;
}
#endif

#ifdef QUEUE_REQ
int io_uring_queue_async_work(struct bpf_raw_tracepoint_args *ctx)
{
	u64 req = number(ctx->args[QUEUE_REQ]);
	if (ran_already(req))
		return 0;
	if (rare(!mark(req, PATH_IO_WQ))) {
		enter_before(req);
		mark(req, PATH_IO_WQ);
	}
	return 0;
}
#endif

#ifdef TASK_ADD_REQ
/* A request is woken by what it polled for, or cancelled: in whatever context that happens.
 * The one that wakes it holds it until its own task may go on with it (io_uring/poll.c,
 * io_poll_get_ownership), so it is neither completed nor submitted anew meanwhile. */
int io_uring_task_add(struct bpf_raw_tracepoint_args *ctx)
{
	u64 req = number(ctx->args[TASK_ADD_REQ]);
	if (rare(!request_find(req)))
		enter_before(req);
	return 0;
}
#endif

#ifdef DEFER_REQ
int io_uring_defer(struct bpf_raw_tracepoint_args *ctx)
{
	u64 req = number(ctx->args[DEFER_REQ]);
	if (!ran_already(req))
		mark(req, PATH_DEFERRED);
	return 0;
}
#endif

#if defined(STREAM) && defined(LINK_REQ)
int io_uring_link(struct bpf_raw_tracepoint_args *ctx)
{
	u64 req = number(ctx->args[LINK_REQ]);
	if (ran_already(req))
		return 0;
	join_chain(LOAD_PROBED(u64, req, OFF_REQ_CTX), req, number(ctx->args[LINK_BEFORE]));
	return 0;
}
#endif

/* Completions that one flush makes visible to the application together share one
 * timestamp: the completion queue's published tail has not moved between them. */
static __always_inline u64 completion_time(struct ring *ring, u32 cq_tail, int has_request)
{
	if (has_request && ring->flush_open && ring->flush_tail == cq_tail)
		return ring->flush_ns;
	u64 now = bpf_ktime_get_ns();
	ring->flush_ns = now;
	ring->flush_tail = cq_tail;
	ring->flush_open = has_request;
	return now;
}

#ifdef ARGUMENTS
/* The file of the descriptor, or of the ring's slot, that a completion brings; 0 for none. */
static __always_inline u64 new_file(u64 octx, u8 opcode, u32 file_index, s32 result)
{
	if (opcode != OP_ACCEPT && opcode != OP_SOCKET && opcode != OP_OPENAT && opcode != OP_OPENAT2)
		return 0;
	if (result < 0)
		return 0;
	if (!file_index) {
		if (opcode == OP_OPENAT || opcode == OP_OPENAT2)
			forget_renamed_file_at(result);
		return file_at(result);
	}
	u32 slot = file_index == SLOT_ANY ? result : file_index - 1;
	u64 file = 0;
#if defined(OFF_CTX_FILE_NODES) && defined(OFF_NODE_FILE)
	u64 nodes = LOAD_PROBED(u64, octx, OFF_CTX_FILE_NODES);
	file = LOAD_PROBED(u64, LOAD_PROBED(u64, nodes, (u64)slot * 8), OFF_NODE_FILE);
#elif defined(OFF_CTX_FIXED_FILES)
	file = LOAD_PROBED(u64, LOAD_PROBED(u64, octx, OFF_CTX_FIXED_FILES), (u64)slot * 8);
#endif
	return file & ~7ULL; /* FFS_MASK, FFS_NOWAIT and their like, io_uring/filetable.h */
}

/* The file that SPLICE and TEE read from; 0 for none. */
static __always_inline u64 spliced_file(u8 opcode, u32 op_flags, u32 file_index)
{
	if ((opcode != OP_SPLICE && opcode != OP_TEE) || op_flags & SPLICE_F_FD_IN_FIXED)
		return 0;
	return file_at(file_index);
}

/* All files of a completion. Each is numbered in one place, with or without an SQE, and the
 * verifier, which takes long for that, goes on from there in one way only. */
static __always_inline void number_files(struct completion *completion, u64 octx, u64 req, u8 opcode,
					 u32 file_index, u32 op_flags)
{
	u64 made = new_file(octx, opcode, file_index, completion->result);
	u64 from = spliced_file(opcode, op_flags, file_index);
	u64 unknown = completion->now;
	completion->file = hidden(file_of(req), unknown);
	completion->result_file = hidden(number_of(hidden(made, unknown)), unknown);
	completion->second_file = hidden(number_of(hidden(from, unknown)), unknown);
}
#endif

/* A worker goes on with what is linked to its request, and no tracepoint tells
 * (io_uring/io-wq.c, io_worker_handle_work): whoever completes it is that worker. */
static __always_inline int by_worker(void)
{
#if defined(OFF_TASK_FLAGS) && defined(OFF_TASK_WORKER)
	u64 task = (u64)bpf_get_current_task_btf();
	/* The SQ thread has the flag, but is nobody's worker. */
	return LOAD_TYPED(u32, task, OFF_TASK_FLAGS) & PF_IO_WORKER && LOAD_TYPED(u64, task, OFF_TASK_WORKER);
#else
	return 0;
#endif
}

static __always_inline void account(struct ring *ring, u64 octx, u64 req, u64 user_data, s32 result,
				    u32 cqe_flags, u8 extra_path, u64 now)
{
	struct entry *entry = 0;
	struct request *request = 0;
	u32 class = cqe_flags & CQE_NOTIF ? OPEN_ZERO_COPY : OPEN_MULTISHOT;
	u64 from_req = 0;
	u8 kind = KIND_COMPLETION;
	int remembered = 1;

	if (req && !(cqe_flags & CQE_NOTIF)) {
		entry = request_find(req);
		if (usual(entry)) {
			/* Not compared by user_data: IORING_POLL_UPDATE_USER_DATA changes it. */
			request = &entry->request;
			from_req = req;
		}
	}
	/* Posted without naming its request: by a notification, or by a multishot operation that
	 * goes on; an overflow names none. Others with that user_data are strangers. */
	if (rare(cqe_flags & CQE_NOTIF || (!req && (cqe_flags & CQE_MORE || extra_path & PATH_OVERFLOW)))) {
		struct open_key key = {.ctx_and_class = octx | class, .user_data = user_data};
		struct open *open = (struct open *)by_user_data.lookup(&key);
		if (open) {
			request = &open->request;
			if (open->ambiguous)
				extra_path |= PATH_AMBIGUOUS;
			if (open->req) {
				entry = request_find(open->req);
				if (entry) {
					request = &entry->request;
					from_req = open->req;
				}
			}
		}
	}
	/* It is alive until its CQE is posted. A notification comes from a request of its own. */
	if (rare(!request && req && !(cqe_flags & CQE_NOTIF) && capture_started())) {
		request = look_at_before(req, ring->number);
		if (request) {
			remembered = 0;
			from_req = req;
		}
	}
	if (usual(from_req) && rare(by_worker()))
		extra_path |= PATH_IO_WQ;
	if (rare(!request && !capture_started()))
		return;
	if (rare(!request))
		kind = !req && !(cqe_flags & (CQE_MORE | CQE_NOTIF)) ? KIND_MESSAGE : KIND_UNTRACKED;

	ring->completions++;
	if (rare(kind == KIND_MESSAGE))
		ring->messages++;
	if (rare(kind == KIND_UNTRACKED)) {
		ring->untracked++;
		count(UNTRACKED);
	}

	u8 path = request ? request->path | extra_path : extra_path;
	int more = cqe_flags & CQE_MORE;
	int zero_copy_first = request && more && req && !(cqe_flags & CQE_NOTIF) &&
			      (request->opcode == OP_SEND_ZC || request->opcode == OP_SENDMSG_ZC);
#ifdef STREAM
	if (request && !zero_copy_first && !(cqe_flags & CQE_NOTIF) && (more || request->flags & REQUEST_POSTS_MANY))
		request->sequence++;
	struct completion completion = {
		.now = now, .user_data = user_data, .ring = ring->number, .result = result,
		.cqe_flags = cqe_flags, .kind = kind, .path = path,
		/* The copy of a request in the index has no SQE. */
		.sqe_flags_mask = entry ? 0xff : (u8)~SQE_ARGUMENTS_SEEN,
	};
#ifdef ARGUMENTS
	if (from_req && !(extra_path & PATH_OVERFLOW)) {
		/* Without an SQE nothing tells which file is spliced from. */
		u32 file_index = 0, op_flags = SPLICE_F_FD_IN_FIXED;
		u8 opcode = request->opcode;
		if (entry && sqe_fields(entry)) {
			file_index = sqe_of(entry)->file_index;
			op_flags = sqe_of(entry)->op_flags;
		} else if (rare(request->flags & REQUEST_BEFORE) && !place_before(from_req, opcode, &file_index)) {
			opcode = OP_NOP;
		}
		number_files(&completion, octx, from_req, opcode, file_index, op_flags);
	}
#endif
	emit(request, entry ? sqe_fields(entry) : 0, sqe_of(entry), &completion);
	if (request)
		request->previous_ns = now;
#else
	struct totals *totals = request ? totals_of(request->opcode) : 0;
	if (totals) {
		if (rare(cqe_flags & CQE_NOTIF)) {
			ADD(totals->notifications, 1);
		} else {
			ADD(totals->completions, 1);
			if (result < 0)
				ADD(totals->errors, 1);
			else if (BYTE_OPCODES(request->opcode))
				ADD(totals->bytes, result);
			add_path(totals, path);
			if (!(request->flags & (REQUEST_POSTS_MANY | REQUEST_BEFORE))) {
				add_latency((struct counts *)totals, now - request->submitted_ns);
				add_to_histogram(totals->histogram, now - request->submitted_ns);
			}
		}
		if (!more)
			ADD(totals->ended, 1);
		if (!more && request->sqe_flags & SQE_CQE_SKIP && !(request->flags & REQUEST_BEFORE))
			ADD(totals->silent, -1);
	}
#endif
	if (!request)
		return;
	if (usual(!more)) {
		/* Those in flight are of those that were submitted. */
		if (!(request->sqe_flags & SQE_CQE_SKIP || request->flags & REQUEST_BEFORE))
			ring->ended++;
		if (rare(cqe_flags & CQE_NOTIF))
			open_end(octx, OPEN_ZERO_COPY, 0, user_data);
		else if (rare(request->flags & REQUEST_POSTS_MANY) && remembered)
			open_end(octx, OPEN_MULTISHOT, from_req, request->user_data);
		if (entry)
			request_release(entry, from_req);
	} else if (zero_copy_first) {
		/* The request structure is free now; the notification comes without it. */
		open_add(octx, OPEN_ZERO_COPY, 0, request);
		if (entry)
			request_release(entry, from_req);
	}
}

/* The ring of a completion, or 0 when it is none of the target's. */
static __always_inline struct ring *completing_ring(u64 octx)
{
	struct ring *ring = ring_find(octx);
	if (usual(ring))
		return ring;
	u32 tgid = current_id() >> 32;
	if (!is_target(tgid))
		return 0;
	return ring_insert(octx, tgid);
}

int io_uring_complete(struct bpf_raw_tracepoint_args *ctx)
{
	u64 octx_argument = ctx->args[COMPLETE_CTX];
	u64 octx = number(octx_argument);
	struct ring *ring = completing_ring(octx);
	if (!ring)
		return 0;
	u64 req = number(ctx->args[COMPLETE_REQ]);
#ifdef COMPLETE_CQE
	u64 cqe = ctx->args[COMPLETE_CQE];
	u64 user_data = LOAD_TYPED(u64, cqe, 0);
	s32 result = LOAD_TYPED(s32, cqe, 8);
	u32 cqe_flags = LOAD_TYPED(u32, cqe, 12);
#else
	u64 user_data = ctx->args[COMPLETE_USER_DATA];
	s32 result = ctx->args[COMPLETE_RESULT];
	u32 cqe_flags = ctx->args[COMPLETE_CQE_FLAGS];
#endif
	if (ran_already(req ^ user_data))
		return 0;
#ifdef TYPED_COMPLETE_CTX
	u64 ring_memory = LOAD_TYPED(u64, octx_argument, OFF_CTX_RINGS);
	u32 cq_tail = LOAD_TYPED(u32, ring_memory, OFF_RINGS_CQ_TAIL);
#else
	u64 ring_memory = LOAD_PROBED(u64, octx, OFF_CTX_RINGS);
	u32 cq_tail = LOAD_PROBED(u32, ring_memory, OFF_RINGS_CQ_TAIL);
#endif
	u64 now = completion_time(ring, cq_tail, req != 0);
	ring->last_finished = req;
#ifdef ARGUMENTS
	begin_files();
#endif
	account(ring, octx, req, user_data, result, cqe_flags, 0, now);
#ifdef ARGUMENTS
	if (files_to_describe()) {
		continuations.call(ctx, DESCRIBE_FILE);
		count(LOST_FACTS);
	}
#endif
	return 0;
}

#ifdef OVERFLOW_CTX
#define OVERFLOW_STEPS 64

#if defined(OFF_CTX_FINISHED) && defined(OFF_REQ_LIST)
static __always_inline u64 finished_request(u64 node, u64 user_data)
{
	for (int i = 0; i < OVERFLOW_STEPS && node; i++) {
		u64 req = node - OFF_REQ_LIST;
		if (LOAD_PROBED(u64, req, OFF_REQ_USER_DATA) == user_data &&
		    !(LOAD_PROBED(REQ_FLAGS_TYPE, req, OFF_REQ_FLAGS) & SQE_CQE_SKIP))
			return req;
		node = LOAD_PROBED(u64, node, 0);
	}
	return 0;
}
#endif

static __always_inline int in_flight_with(u64 req, u64 user_data)
{
	struct entry *entry = req ? request_find(req) : 0;
	return entry && entry->request.user_data == user_data;
}

/* The tracepoint does not name the request. A worker thread completes the request it
 * works on; anyone else is walking the ring's list of finished requests in order
 * (__io_submit_flush_completions), so the request comes after the last one that was
 * completed in this flush. */
static __always_inline u64 overflowing_request(struct ring *ring, u64 octx, u64 user_data, u32 cq_tail)
{
	u64 req;
#if defined(OFF_TASK_WORKER) && defined(OFF_WORKER_WORK) && defined(OFF_REQ_WORK)
	u64 task = bpf_get_current_task();
	if (LOAD_PROBED(u32, task, OFF_TASK_FLAGS) & PF_IO_WORKER) {
		u64 worker = LOAD_PROBED(u64, task, OFF_TASK_WORKER);
		u64 work = LOAD_PROBED(u64, worker, OFF_WORKER_WORK);
		req = work ? work - OFF_REQ_WORK : 0;
		if (in_flight_with(req, user_data))
			return req;
	}
#endif
#if defined(OFF_CTX_FINISHED) && defined(OFF_REQ_LIST)
	if (ring->flush_open && ring->flush_tail == cq_tail && ring->last_finished) {
		u64 next = LOAD_PROBED(u64, ring->last_finished + OFF_REQ_LIST, 0);
		req = finished_request(next, user_data);
		if (in_flight_with(req, user_data))
			goto found;
	}
	req = finished_request(LOAD_PROBED(u64, octx, OFF_CTX_FINISHED), user_data);
	if (in_flight_with(req, user_data))
		goto found;
#endif
	return 0;
found:
	ring->flush_open = 1;
	ring->flush_tail = cq_tail;
	ring->last_finished = req;
	return req;
}

int io_uring_cqe_overflow(struct bpf_raw_tracepoint_args *ctx)
{
	u64 octx = number(ctx->args[OVERFLOW_CTX]);
	struct ring *ring = completing_ring(octx);
	u64 user_data = ctx->args[OVERFLOW_USER_DATA];
	if (!ring || ran_already(octx ^ user_data))
		return 0;
	u32 cqe_flags = ctx->args[OVERFLOW_CQE_FLAGS];
	u8 path = PATH_OVERFLOW;
	ring->overflows++;
	if (!ctx->args[OVERFLOW_ENTRY]) {
		ring->dropped++;
		path |= PATH_DROPPED;
	}
	struct open_key key = {.ctx_and_class = octx | OPEN_MULTISHOT, .user_data = user_data};
	u32 cq_tail = LOAD_PROBED(u32, LOAD_PROBED(u64, octx, OFF_CTX_RINGS), OFF_RINGS_CQ_TAIL);
	u64 req = 0;
	ring->flush_ns = bpf_ktime_get_ns();
	if (!(cqe_flags & CQE_NOTIF) && !(cqe_flags & CQE_MORE && by_user_data.lookup(&key)))
		req = overflowing_request(ring, octx, user_data, cq_tail);
	account(ring, octx, req, user_data, ctx->args[OVERFLOW_RESULT], cqe_flags, path, ring->flush_ns);
	return 0;
}
#endif

/* A new ring at the address of a closed one must not inherit its entry. */
int io_uring_create(struct bpf_raw_tracepoint_args *ctx)
{
	u64 octx = number(ctx->args[CREATE_CTX]);
	if (ran_already(octx))
		return 0;
	struct ring *ring = ring_find(octx);
	if (ring)
		ring_move(ring);
	u32 tgid = current_id() >> 32;
	if (!is_target(tgid))
		return 0;
	ring = ring_insert(octx, tgid);
	if (!ring)
		return 0;
	ring->seen |= SEEN_CREATED | SEEN_FD | SEEN_SIZES;
	ring->fd = ctx->args[CREATE_FD];
	ring->sq_entries = ctx->args[CREATE_SQ_ENTRIES];
	ring->cq_entries = ctx->args[CREATE_CQ_ENTRIES];
	ring->flags = ctx->args[CREATE_FLAGS];
	ring->created_ns = bpf_ktime_get_ns();
	return 0;
}

#ifdef REGISTER_CTX
int io_uring_register(struct bpf_raw_tracepoint_args *ctx)
{
	struct ring *ring = ring_find(number(ctx->args[REGISTER_CTX]));
	if (!ring || ran_already(ring->ctx))
		return 0;
	ring->files = ctx->args[REGISTER_FILES];
	ring->buffers = ctx->args[REGISTER_BUFFERS];
	ring->seen |= SEEN_REGISTERED;
	return 0;
}
#endif
#endif
#endif
