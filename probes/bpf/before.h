/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Operations that were begun before the capture, read from their requests.
 *
 * A request tells its opcode, its user_data, its flags, its file and who submitted it, as
 * long as it lives: where a tracepoint names it, and only there. What the SQE said beyond
 * that, the descriptor among it (the result stands in its place), is not known any more,
 * nor is the time of submission. Only requests of a target are taken, told by who submitted
 * them: a waker may be anybody, and a ring may be shared. Such an operation counts in no
 * number of submissions, and so in none of those in flight.
 */
#pragma once
#include "emit.h"

#ifdef IO_URING

OPAQUE(request_bytes, request);
BPF_PERCPU_ARRAY(seen_before, struct request_bytes, 1);

/* The thread that submitted a request, or 0. */
static __always_inline u64 submitter(u64 req)
{
#if defined(OFF_REQ_TASK)
	return LOAD_PROBED(u64, req, OFF_REQ_TASK);
#elif defined(OFF_REQ_TCTX) && defined(OFF_TCTX_TASK)
	u64 context = LOAD_PROBED(u64, req, OFF_REQ_TCTX);
	return context ? LOAD_PROBED(u64, context, OFF_TCTX_TASK) : 0;
#else
	return 0;
#endif
}

/* The submitting process, 0 where it is no target. */
static __always_inline u32 target_before(u64 req)
{
	u64 task = submitter(req);
	u32 tgid = task ? task_tgid(task) : 0;
	return tgid && is_target(tgid) ? tgid : 0;
}

static __always_inline int posts_many_before(u64 req, u8 opcode, u64 flags)
{
	if (flags & REQ_POSTS_MANY)
		return 1;
#ifdef OFF_REQ_POLL_EVENTS
	if (opcode == OP_POLL_ADD)
		return !(LOAD_PROBED(u32, req, OFF_REQ_POLL_EVENTS) & POLL_ONESHOT);
#endif
#ifdef OFF_SEND_FLAGS
	if (opcode == OP_SEND)
		return !!(LOAD_PROBED(SEND_FLAGS_TYPE, req, OFF_SEND_FLAGS) & RECVSEND_BUNDLE);
#endif
	return 0;
}

static __always_inline void take_before(struct request *request, u64 req, u32 tgid, u32 ring)
{
	u64 flags = LOAD_PROBED(REQ_FLAGS_TYPE, req, OFF_REQ_FLAGS);
	u8 opcode = LOAD_PROBED(u8, req, OFF_REQ_OPCODE);
	request->submitted_ns = bpf_ktime_get_ns();
	request->user_data = LOAD_PROBED(u64, req, OFF_REQ_USER_DATA);
	request->tgid = tgid;
	request->fd = -1;
	request->opcode = opcode;
	request->path = flags & REQ_POLLED ? PATH_POLL : 0;
	request->sqe_flags = flags & 0x7f;
	request->flags = REQUEST_BEFORE;
	if (posts_many_before(req, opcode, flags))
		request->flags |= REQUEST_POSTS_MANY;
	request->ring = ring;
#ifdef STREAM
	request->tid = task_tid(submitter(req));
	request->previous_ns = 0;
	request->sequence = 0;
	request->chain = 0;
	request->chain_position = 0;
#endif
}

/* The operation of a request that completes now, for this completion only; 0 when it is not
 * the target's. */
static __always_inline struct request *look_at_before(u64 req, u32 ring)
{
	u32 zero = 0, tgid = target_before(req);
	struct request *request = (struct request *)seen_before.lookup(&zero);
	if (!tgid || !request)
		return 0;
	take_before(request, req, tgid, ring);
	return request;
}

/* Remember a request that goes on. Its submission is over: that is traced before anything else
 * happens to a request. One that may end without a CQE is left out, since its end would not be
 * seen. Until the capture has started nothing is entered: it might end before its completions
 * count. May run in any context, also in that of an interrupt: it adds to no number that is not
 * its own. */
static __always_inline void enter_before(u64 req)
{
	if (!capture_started())
		return;
	u32 tgid = target_before(req);
	if (!tgid || LOAD_PROBED(REQ_FLAGS_TYPE, req, OFF_REQ_FLAGS) & SQE_CQE_SKIP)
		return;
	u64 octx = LOAD_PROBED(u64, req, OFF_REQ_CTX);
	struct ring *ring = ring_find(octx);
	if (!ring)
		ring = ring_insert(octx, tgid);
	if (!ring)
		return;
	struct entry *entry = request_place(req);
	if (!entry)
		return;
	take_before(&entry->request, req, tgid, ring->number);
	if (entry->request.flags & REQUEST_POSTS_MANY)
		open_add(octx, OPEN_MULTISHOT, req, &entry->request);
}

#ifdef ARGUMENTS
/* Where the ring is asked to put a new descriptor, as in sqe->file_index; 0 when not known. */
static __always_inline int place_before(u64 req, u8 opcode, u32 *file_index)
{
#if defined(OFF_ACCEPT_SLOT) && defined(OFF_SOCKET_SLOT) && defined(OFF_OPEN_SLOT)
	if (opcode == OP_ACCEPT)
		*file_index = LOAD_PROBED(u32, req, OFF_ACCEPT_SLOT);
	else if (opcode == OP_SOCKET)
		*file_index = LOAD_PROBED(u32, req, OFF_SOCKET_SLOT);
	else if (opcode == OP_OPENAT || opcode == OP_OPENAT2)
		*file_index = LOAD_PROBED(u32, req, OFF_OPEN_SLOT);
	else
		return 0;
	return 1;
#else
	return 0;
#endif
}
#endif
#endif
