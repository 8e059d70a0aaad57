/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What becomes of a completion: added to the totals (counting mode) or written to the
 * ring buffer (streaming mode). Never both, so that each mode pays for itself only.
 */
#pragma once
#include "inflight.h"
#include "ring.h"

#ifdef STREAM
#ifdef ARGUMENTS
#include "file.h"
#endif

BPF_RINGBUF_OUTPUT(operations, STREAM);

struct completion {
	u64 now, user_data;
	u32 ring;
	s32 result;
	u32 cqe_flags;
	u32 file, result_file, second_file;
	u8 kind, path, sqe_flags_mask;
};

static __always_inline void fill(struct operation_slot *slot, const struct request *request,
				 const struct completion *completion)
{
	slot->kind = completion->kind;
	slot->path = completion->path;
	slot->completed_ns = completion->now;
	slot->user_data = completion->user_data;
	slot->ring = completion->ring;
	slot->result = completion->result;
	slot->cqe_flags = completion->cqe_flags;
	slot->file = completion->file;
	if (request) {
		slot->opcode = request->opcode;
		slot->sqe_flags = request->sqe_flags & completion->sqe_flags_mask;
		slot->fd = request->fd;
		slot->submitted_ns = rare(request->flags & REQUEST_BEFORE) ? 0 : request->submitted_ns;
		slot->tgid = request->tgid;
		slot->tid = request->tid;
	} else {
		slot->opcode = UNKNOWN_OPCODE;
		slot->sqe_flags = 0;
		slot->fd = -1;
		slot->submitted_ns = 0;
		slot->tgid = 0;
		slot->tid = 0;
	}
}

static __always_inline void fill_arguments(struct arguments_slot *slot, const struct request *request,
					   int has_fields, const struct sqe *sqe)
{
	slot->kind = KIND_ARGUMENTS;
	slot->reserved = 0;
	slot->reserved2 = 0;
	slot->chain = request->chain;
	slot->chain_position = request->chain_position;
	if (has_fields) {
		slot->ioprio = sqe->ioprio;
		slot->len = sqe->len;
		slot->off = sqe->off;
		slot->addr = sqe->addr;
		slot->op_flags = sqe->op_flags;
		slot->buf_index = sqe->buf_index;
		slot->personality = sqe->personality;
		slot->file_index = sqe->file_index;
		slot->addr3 = sqe->addr3;
	} else {
		slot->ioprio = slot->buf_index = slot->personality = 0;
		slot->len = slot->op_flags = slot->file_index = 0;
		slot->off = slot->addr = slot->addr3 = 0;
	}
}

/* One record: the operation, its arguments where the SQE or a chain is known, its place
 * in the sequence of a multishot operation, and the files that its result and splice_fd_in
 * stand for. `sqe` counts only with `has_fields`. */
static __always_inline void emit(const struct request *request, int has_fields, const struct sqe *sqe,
				 const struct completion *completion)
{
	if (request && (request->sequence || completion->result_file || completion->second_file)) {
		struct three_slots *slots = operations.ringbuf_reserve(sizeof(*slots));
		if (!slots)
			goto lost;
		fill(&slots->operation, request, completion);
		slots->header.length = slots->header2.length = sizeof(struct operation_slot);
		slots->header.page_offset = slots->header2.page_offset = 0;
		fill_arguments(&slots->arguments, request, has_fields, sqe);
		__builtin_memset(&slots->sequence, 0, sizeof(slots->sequence));
		slots->sequence.kind = KIND_SEQUENCE;
		slots->sequence.sequence = request->sequence;
		slots->sequence.previous_ns = request->sequence ? request->previous_ns : 0;
		slots->sequence.result_file = completion->result_file;
		slots->sequence.second_file = completion->second_file;
		operations.ringbuf_submit(slots, BPF_RB_NO_WAKEUP);
	} else if (request && (has_fields || request->chain)) {
		struct two_slots *slots = operations.ringbuf_reserve(sizeof(*slots));
		if (!slots)
			goto lost;
		fill(&slots->operation, request, completion);
		slots->header.length = sizeof(struct operation_slot);
		slots->header.page_offset = 0;
		fill_arguments(&slots->arguments, request, has_fields, sqe);
		operations.ringbuf_submit(slots, BPF_RB_NO_WAKEUP);
	} else {
		struct one_slot *slot = operations.ringbuf_reserve(sizeof(*slot));
		if (!slot)
			goto lost;
		fill(&slot->operation, request, completion);
		operations.ringbuf_submit(slot, BPF_RB_NO_WAKEUP);
	}
	return;
lost:
	count(LOST_OPERATIONS);
}

#else /* counting mode */

#define SUBBUCKET_BITS 4
#define BUCKETS ((44 - SUBBUCKET_BITS + 1) << SUBBUCKET_BITS)

/* tracer/statistics.py declares the same layout as a numpy dtype. */
#define COUNTS                                                             \
	u64 submitted, completions, ended, errors, bytes, notifications, silent; \
	u64 timed, sum_ns, max_ns, by_inline, by_poll, by_io_wq, slept, reserved[2]

struct counts {
	COUNTS;
};

struct totals {
	COUNTS;
	u64 histogram[BUCKETS];
};

OPAQUE(totals_bytes, totals);
BPF_F_TABLE("array", u32, struct totals_bytes, totals, OPCODES * CPUS, BPF_F_MMAPABLE);

/* The last row takes opcodes that the kernel does not have. */
static __always_inline struct totals *totals_of(u8 opcode)
{
	u32 row = opcode < OPCODES ? opcode : OPCODES - 1;
	u32 key = bpf_get_smp_processor_id() * OPCODES + row;
	return (struct totals *)totals.lookup(&key);
}

static __always_inline u32 bucket_of(u64 latency_ns)
{
	if (latency_ns < (1 << SUBBUCKET_BITS))
		return latency_ns;
	u32 power = bpf_log2l(latency_ns) - 1;
	u32 bucket = ((power - SUBBUCKET_BITS + 1) << SUBBUCKET_BITS) +
		     ((latency_ns >> (power - SUBBUCKET_BITS)) & ((1 << SUBBUCKET_BITS) - 1));
	return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static __always_inline void add_to_histogram(u64 *histogram, u64 latency_ns)
{
	u32 bucket = bucket_of(latency_ns);
	/* Keeps the compiler from dropping the bound that the verifier wants to see. */
	asm volatile("" : "+r"(bucket));
	if (bucket < BUCKETS)
		ADD(histogram[bucket], 1);
}

/* `counts` begins any struct with COUNTS. */
static __always_inline void add_latency(struct counts *counts, u64 latency_ns)
{
	ADD(counts->timed, 1);
	ADD(counts->sum_ns, latency_ns);
#ifdef PREEMPTED
#pragma unroll
	for (int i = 0; i < 4; i++) {
		u64 seen = counts->max_ns;
		if (latency_ns <= seen || __sync_val_compare_and_swap(&counts->max_ns, seen, latency_ns) == seen)
			break;
	}
#else
	if (latency_ns > counts->max_ns)
		counts->max_ns = latency_ns;
#endif
}

static __always_inline void add_path(struct totals *totals, u8 path)
{
	if (path & PATH_IO_WQ)
		ADD(totals->by_io_wq, 1);
	else if (path & PATH_POLL)
		ADD(totals->by_poll, 1);
	else
		ADD(totals->by_inline, 1);
}
#endif
