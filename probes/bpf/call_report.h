/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What becomes of a call that returned: a record in the ring buffer (streaming mode) or a
 * row of the totals (counting mode).
 */
#pragma once
#include "memory.h"

#ifdef CALLS
#ifdef ARGUMENTS
/* How a call ended. */
struct pending_call {
	u64 key, now;
	s64 result;
	u32 result_file, flags; /* call_state */
};

BPF_PERCPU_ARRAY(pending_calls, struct pending_call, 1);

static __always_inline void fill_call(struct scratch *record, const struct call *call,
				      const struct pending_call *pending)
{
	struct call_slot *head = (struct call_slot *)(record->slots + sizeof(struct slot_header));
	struct slot_header *header = (struct slot_header *)(record->slots + SLOT_SIZE);
	struct call_arguments_slot *arguments = (struct call_arguments_slot *)(header + 1);
	head->kind = KIND_CALL;
	head->flags = pending->flags;
	head->number = call->number;
	head->fd = call->fd;
	head->completed_ns = pending->now;
	head->submitted_ns = call->submitted_ns;
	head->result = pending->result;
	head->tgid = call->tgid;
	head->tid = call->tid;
	head->file = call->file;
	head->second_file = call->second_file;
	head->result_file = pending->result_file;
	head->reserved = 0;
	header->length = sizeof(*arguments);
	header->page_offset = 0;
	*(u64 *)arguments = KIND_CALL_ARGUMENTS;
	__builtin_memcpy(arguments->argument, call->argument, sizeof(arguments->argument));
}

static __always_inline void fill_wake(struct scratch *record, const struct call *call)
{
	struct slot_header *header = (struct slot_header *)(record->slots + 2 * SLOT_SIZE);
	struct wake_slot *wake = (struct wake_slot *)(header + 1);
	header->length = sizeof(*wake);
	header->page_offset = 0;
	wake->kind = KIND_WAKE;
	wake->wake = call->wake;
	wake->waker_number = call->waker_number;
	wake->waker = call->waker;
	wake->waker_file = call->waker_file;
	wake->woke = call->woke;
	wake->wakes = call->wakes;
	wake->woke_count = call->woke_count;
	wake->reserved = 0;
	wake->woken_ns = call->woken_ns;
	wake->waker_argument = call->waker_argument;
	wake->reserved2[0] = wake->reserved2[1] = 0;
}

static __always_inline void send(struct scratch *record, u32 slots)
{
	u32 size = slots * SLOT_SIZE - sizeof(struct slot_header);
	if (size > SCRATCH_SLOTS * SLOT_SIZE - sizeof(struct slot_header))
		return;
	if (operations.ringbuf_output(record->slots + sizeof(struct slot_header), size, BPF_RB_NO_WAKEUP))
		count(LOST_OPERATIONS);
}

/* One record: the call, its arguments, and what woke it or whom it woke. */
static __always_inline void emit_call(const struct call *call, const struct pending_call *pending)
{
	u32 zero = 0, slots = 2;
	struct scratch *record = (struct scratch *)scratch.lookup(&zero);
	if (!record)
		return;
	fill_call(record, call, pending);
	if (call->wake || call->woke) {
		fill_wake(record, call);
		slots = 3;
	}
	send(record, slots);
}

/* Begins a record with the memory that the arguments point to. */
static __always_inline void begin_call_with_memory(const struct call *call, const struct call_traits *traits,
						  const struct pending_call *pending)
{
	u32 zero = 0;
	struct scratch *record = (struct scratch *)scratch.lookup(&zero);
	int woken = call->wake || call->woke;
	struct memory_list *list = begin_list(woken ? 3 : 2, SCRATCH_SLOTS);
	if (!record || !list)
		return;
	fill_call(record, call, pending);
	if (woken)
		fill_wake(record, call);
	if (keeps_memory(traits))
		recall_memory(record->slots, list, pending->key);
	list_capture(list, traits, 0, call, pending->result, 0);
	list_capture(list, traits, 1, call, pending->result, 0);
	list_capture(list, traits, 2, call, pending->result, 0);
}
#else /* counting mode */

#define CALL_ROWS 128
#define ROW_STEPS 16 /* rows that a call tries */

struct histogram {
	u64 buckets[BUCKETS];
};

/* Every call is counted by its number. Histograms are large: calls get theirs as they
 * appear, as long as there are some. */
BPF_F_TABLE("array", u32, struct counts, call_counts, CALL_LIMIT * CPUS, BPF_F_MMAPABLE);
OPAQUE(histogram_bytes, histogram);
BPF_F_TABLE("array", u32, struct histogram_bytes, call_histograms, CALL_ROWS * CPUS, BPF_F_MMAPABLE);
/* Number → row of its histogram, from 1. */
BPF_F_TABLE("array", u32, u64, call_rows, CALL_LIMIT, BPF_F_MMAPABLE);
/* Row → the number that was first to take it. */
BPF_HASH(call_row_owners, u32, u32, CALL_ROWS);

static __always_inline struct counts *counts_of(u32 number)
{
	u32 key = bpf_get_smp_processor_id() * CALL_LIMIT + number;
	return call_counts.lookup(&key);
}

/* The row of a call that has none yet; 0 when those it may have are taken. Processors that look for the
 * same call's at once find the same one: they try the rows in the same order, and each is
 * taken once. */
static __always_inline u64 row_for(u32 number)
{
	/* Unrolled: 5.10 refuses a loop that is entered in its middle, as the compiler makes it. */
#pragma unroll
	for (u32 step = 0; step < ROW_STEPS; step++) {
		u32 row = (number + step) & (CALL_ROWS - 1);
		call_row_owners.insert(&row, &number);
		u32 *owner = call_row_owners.lookup(&row);
		if (owner && *owner == number)
			return row + 1;
	}
	return 0;
}

static __always_inline u64 *histogram_of(u32 number)
{
	u64 *row = call_rows.lookup(&number);
	if (!row)
		return 0;
	if (rare(!*row))
		*row = row_for(number);
	u64 place = *row - 1;
	if (place >= CALL_ROWS)
		return 0;
	u32 key = bpf_get_smp_processor_id() * CALL_ROWS + place;
	struct histogram *histogram = (struct histogram *)call_histograms.lookup(&key);
	return histogram ? histogram->buckets : 0;
}

static __always_inline void add_call(const struct call *call, const struct call_traits *traits, s64 result, u64 now,
				     int slept, int from_start)
{
	struct counts *counts = counts_of(call->number);
	if (!counts)
		return;
	if (!from_start)
		ADD(counts->submitted, 1);
	ADD(counts->completions, 1);
	ADD(counts->ended, 1);
	if (result < 0 && result >= -MAX_ERROR)
		ADD(counts->errors, 1);
	else if (result > 0 && traits->flags & MOVES_BYTES)
		ADD(counts->bytes, result);
	if (slept)
		ADD(counts->slept, 1);
	if (!from_start)
		return;
	u64 latency_ns = now - call->submitted_ns;
	add_latency(counts, latency_ns);
	u64 *histogram = histogram_of(call->number);
	if (histogram)
		add_to_histogram(histogram, latency_ns);
}
#endif

#ifndef FLOOR
/* A thread that ends takes the call with it that it is in. */
static __always_inline void end_thread(u64 task)
{
	u64 key = call_key(LOAD_PROBED(u32, task, OFF_TASK_PID));
	struct entry *entry = request_find(key);
	if (entry) {
#ifdef ARGUMENTS
		struct pending_call pending = {.key = key, .now = bpf_ktime_get_ns(), .flags = CALL_UNFINISHED};
		emit_call(call_of(entry), &pending);
		kept.delete(&key);
#endif
		request_release(entry, key);
	}
	request_forget(key);
}
#endif
#endif
