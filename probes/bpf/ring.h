/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The table of io_uring instances, found by their kernel address.
 *
 * Invariant: the fields of one ring are written from two sides only, and each side is
 * serialised by the kernel: submission under the ring's uring_lock, completion under
 * its completion lock (or by its single task, for DEFER_TASKRUN). The two sides write
 * different fields, so plain additions are exact. What was counted of a closed ring is
 * moved out of the way when the kernel makes a new one at its address: behind the entries
 * that are found by address there is one for each number.
 */
#pragma once
#include "common.h"

#define RING_LIMIT 4096
#define RING_PROBES 16
#define RING_FREE 1 /* an entry whose ring was moved: the search goes on behind it */
#define RING_DESCRIPTORS 256 /* searched for a ring that existed before the probes */

/* What every operation touches comes first: submission in the first two cache lines,
 * completion in the second and third. */
struct ring {
	u64 ctx;
	u32 number, seen;
	/* submission side */
	u64 submitted, hidden, superseded, batches, in_flight_max;
	u32 sq_head, chain_position;
	/* completion side */
	u64 ended, completions, flush_ns;
	u32 flush_tail, flush_open;
	u64 last_finished, overflows, dropped, messages, untracked;
	/* facts */
	u32 tgid;
	s32 fd;
	u32 flags, sq_entries, cq_entries, files, buffers, sq_thread;
	u64 created_ns;
	u8 padding[16];
} __attribute__((aligned(64)));

enum ring_facts { /* bits of ring.seen */
	SEEN_CREATED = 1,
	SEEN_FD = 2,
	SEEN_SQ_HEAD = 4,
	SEEN_SIZES = 8,
	SEEN_REGISTERED = 16,
	SEEN_SQ_THREAD = 32,
};

OPAQUE(ring_bytes, ring);
BPF_F_TABLE("array", u32, struct ring_bytes, rings, 2 * RING_LIMIT, BPF_F_MMAPABLE);
BPF_ARRAY(ring_numbers, u64, 1);
BPF_ARRAY(ring_keys, u32, RING_LIMIT);

#ifdef IO_URING
static __always_inline u32 ring_hash(u64 ctx)
{
	return (u32)((ctx >> 6) * 0x9E3779B97F4A7C15ULL >> 52);
}

static __always_inline struct ring *ring_find(u64 ctx)
{
	u32 slot = ring_hash(ctx);
#pragma nounroll
	for (int i = 0; i < RING_PROBES; i++) {
		u32 key = (slot + i) & (RING_LIMIT - 1);
		struct ring *ring = (struct ring *)rings.lookup(&key);
		if (!key)
			continue;
		if (!ring || !ring->ctx)
			return 0;
		if (usual(ring->ctx == ctx))
			return ring;
	}
	return 0;
}

/* The ring with a number, wherever it is. */
static __always_inline struct ring *ring_of_number(u32 number)
{
	u32 *key = ring_keys.lookup(&number);
	return key ? (struct ring *)rings.lookup(key) : 0;
}

/* Its address is another ring's from now on. A reader beside us never sees it twice. */
static __always_inline void ring_move(struct ring *ring)
{
	u32 number = ring->number, key = RING_LIMIT + number;
	struct ring *moved = (struct ring *)rings.lookup(&key);
	if (!moved || number >= RING_LIMIT)
		return;
	struct ring blank = {.ctx = RING_FREE};
	ring->number = 0;
	*moved = *ring;
	moved->ctx = RING_FREE;
	moved->number = number;
	ring_keys.update(&number, &key);
	*ring = blank;
}

/* The descriptor of a ring that existed before the probes: the caller's descriptors are
 * searched once for the file whose private_data is this ring. */
static __always_inline void ring_find_fd(struct ring *ring, u64 ctx)
{
#ifdef OFF_FILE_PRIVATE
	u64 task = bpf_get_current_task();
	u64 files = LOAD_PROBED(u64, task, OFF_TASK_FILES);
	u64 table = LOAD_PROBED(u64, files, OFF_FILES_FDT);
	u64 array = LOAD_PROBED(u64, table, OFF_FDT_FD);
	u32 size = LOAD_PROBED(u32, table, OFF_FDT_MAX);
	for (u64 fd = 0; fd < RING_DESCRIPTORS; fd++) {
		/* Keeps the compiler from comparing with the smaller of the two bounds: older
		 * verifiers see an end only where the counter meets a constant. */
		asm volatile("" : "+r"(fd));
		if (fd >= size)
			return;
		u64 file = LOAD_PROBED(u64, array, fd * 8);
		/* What is read of no file is 0: one way less through each turn for the verifier. */
		if (LOAD_PROBED(u64, file, OFF_FILE_PRIVATE) == ctx) {
			ring->fd = fd;
			ring->seen |= SEEN_FD;
			return;
		}
	}
#endif
}

static __always_inline void ring_read_facts(struct ring *ring, u64 ctx)
{
	ring->flags = LOAD_PROBED(u32, ctx, OFF_CTX_FLAGS);
#if defined(OFF_CTX_SQ_ENTRIES) && defined(OFF_CTX_CQ_ENTRIES)
	ring->sq_entries = LOAD_PROBED(u32, ctx, OFF_CTX_SQ_ENTRIES);
	ring->cq_entries = LOAD_PROBED(u32, ctx, OFF_CTX_CQ_ENTRIES);
	ring->seen |= SEEN_SIZES;
#endif
#if defined(OFF_CTX_FILES) && defined(OFF_CTX_BUFFERS)
	ring->files = LOAD_PROBED(u32, ctx, OFF_CTX_FILES);
	ring->buffers = LOAD_PROBED(u32, ctx, OFF_CTX_BUFFERS);
	ring->seen |= SEEN_REGISTERED;
#endif
#if defined(OFF_CTX_SQ_DATA) && defined(OFF_SQ_DATA_THREAD) && defined(OFF_TASK_PID)
	u64 sq_data = LOAD_PROBED(u64, ctx, OFF_CTX_SQ_DATA);
	u64 thread = sq_data ? LOAD_PROBED(u64, sq_data, OFF_SQ_DATA_THREAD) : 0;
	if (thread)
		ring->sq_thread = task_tid(thread);
	ring->seen |= SEEN_SQ_THREAD;
#endif
}

/* Claims an entry for a ring that is not in the table yet. Entry 0 is shared by all
 * rings for which there is no room, and counted. */
static __always_inline struct ring *ring_insert(u64 ctx, u32 tgid)
{
	u32 slot = ring_hash(ctx);
#pragma nounroll
	for (int i = 0; i < RING_PROBES; i++) {
		u32 key = (slot + i) & (RING_LIMIT - 1);
		struct ring *ring = (struct ring *)rings.lookup(&key);
		if (!ring || !key)
			continue;
		u64 free = ring->ctx == RING_FREE ? RING_FREE : 0;
		u64 previous = __sync_val_compare_and_swap(&ring->ctx, free, ctx);
		if (previous == ctx)
			return ring;
		if (previous != free)
			continue;
		u32 zero = 0;
		u32 number = take_number(ring_numbers.lookup(&zero));
		if (!number || number >= RING_LIMIT) {
			ring->ctx = RING_FREE;
			break;
		}
		ring->number = number;
		ring_keys.update(&number, &key);
		ring->tgid = tgid;
		ring->fd = -1;
		ring_read_facts(ring, ctx);
		return ring;
	}
	count(LOST_RINGS);
	u32 zero = 0;
	return (struct ring *)rings.lookup(&zero);
}
#endif
