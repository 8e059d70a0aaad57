/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Requests in flight, found by the address of their request structure.
 *
 * A set-associative table in an array map: one lookup finds a set of WAYS entries, of
 * which the first is nearly always the one. An entry belongs to the address that first
 * claimed it, with compare-and-swap, because submissions to different rings may meet in
 * one set. The kernel uses its request structures again and again, so from then on
 * beginning and end of an operation are plain stores by its only owner; submitted_ns
 * is 0 in between. An address that finds its set full goes to a hash map. The table
 * never forgets a request by itself: an operation stays until its completion, or until
 * the kernel reuses the request structure. One that was begun before the capture is
 * entered when something names its request; its submitted_ns only tells that it is there.
 */
#pragma once
#include "common.h"

#define WAYS 4

enum request_flags {
	REQUEST_POSTS_MANY = 1, /* multishot: listed in by_user_data */
	REQUEST_NONZERO = 2,    /* some SQE field is not zero */
	/* 4 is REQUEST_CALL, call.h */
	REQUEST_BEFORE = 8,     /* its submission was not seen: submitted_ns is some time after it */
};

struct sqe {
	u8 opcode, flags;
	u16 ioprio;
	s32 fd;
	u64 off, addr;
	u32 len, op_flags;
	u64 user_data;
	u16 buf_index, personality;
	u32 file_index;
	u64 addr3, reserved;
};

struct request {
	u64 submitted_ns, user_data;
	u32 tgid;
#ifdef STREAM
	u32 tid;
#else
	u32 ring;
#endif
	s32 fd;
	u8 opcode, path, sqe_flags, flags;
#ifdef STREAM
	u64 previous_ns, chain;
	u32 sequence;
	u16 chain_position, ring; /* ring: low bits of its number */
#endif
};

struct entry {
	u64 tag; /* address of a request structure; 0: never used */
	struct request request;
#ifdef ARGUMENTS
	struct sqe sqe;
#endif
};

struct set {
	struct entry entry[WAYS];
};

OPAQUE(entry_bytes, entry);
BPF_HASH(spilled, u64, struct entry_bytes, SPILL);
BPF_PERCPU_ARRAY(blank_entry, struct entry_bytes, 1);

#ifdef ARGUMENTS
#define sqe_fields(entry) ((entry)->request.flags & REQUEST_NONZERO)
#define sqe_of(entry) (&(entry)->sqe)
#else
#define sqe_fields(entry) 0
#define sqe_of(entry) ((const struct sqe *)0)
#endif

#ifdef IO_URING
OPAQUE(set_bytes, set);
BPF_F_TABLE("array", u32, struct set_bytes, in_flight, SETS, BPF_F_MMAPABLE);
BPF_ARRAY(spilled_ever, u64, 1);

static __always_inline struct set *set_of(u64 req)
{
	u32 key = (u32)(req >> 8) & (SETS - 1);
	return (struct set *)in_flight.lookup(&key);
}

static __always_inline struct entry *spilled_find(u64 req)
{
	u32 zero = 0;
	u64 *ever = spilled_ever.lookup(&zero);
	if (ever && *ever)
		return (struct entry *)spilled.lookup(&req);
	return 0;
}

/* An entry of a set, in a way that the verifier does not know: it would follow each of them
 * apart to the end of the program, which took most of the time to attach. */
static __always_inline struct entry *entry_at(struct set *set, u64 way)
{
	way = hidden(way, set->entry[way].request.submitted_ns);
	asm volatile("%0 &= 3" : "+r"(way)); /* WAYS - 1 */
	return &set->entry[way];
}

/* The operation in flight of a request structure, or 0. */
static __always_inline struct entry *request_find(u64 req)
{
	struct set *set = set_of(req);
	if (!set)
		return 0;
#pragma unroll
	for (u64 way = 0; way < WAYS; way++) {
		if (usual(set->entry[way].tag == req)) {
			struct entry *entry = entry_at(set, way);
			return entry->request.submitted_ns ? entry : 0;
		}
	}
	return spilled_find(req);
}

/* The entry of a request that the table has not, or 0 without room for it. Its contents are
 * stale, unless submitted_ns tells that the table still has an operation of this request
 * structure. */
static __always_inline struct entry *request_place(u64 req)
{
	struct set *set = set_of(req);
	struct entry *entry;
	if (!set)
		return 0;
#pragma unroll
	for (u64 way = 0; way < WAYS; way++) {
		if (usual(set->entry[way].tag == req))
			return entry_at(set, way);
	}
	entry = spilled_find(req);
	if (entry)
		return entry;
#pragma unroll
	for (u64 way = 0; way < WAYS; way++) {
		entry = &set->entry[way];
		if (!entry->tag && __sync_val_compare_and_swap(&entry->tag, 0, req) == 0)
			return entry_at(set, way);
	}
	u32 zero = 0;
	struct entry_bytes *blank = blank_entry.lookup(&zero);
	u64 *ever = spilled_ever.lookup(&zero);
	if (!blank || !ever)
		return 0;
	*ever = 1;
	spilled.update(&req, blank);
	return (struct entry *)spilled.lookup(&req);
}

/* The same for a request that is being submitted: what finds no room is counted. */
static __always_inline struct entry *request_claim(u64 req)
{
	struct entry *entry = request_place(req);
	if (!entry)
		count(LOST_TABLE);
	return entry;
}

/* Entries of the hash map have no tag. */
static __always_inline void request_release(struct entry *entry, u64 req)
{
	if (usual(entry->tag))
		entry->request.submitted_ns = 0;
	else
		spilled.delete(&req);
}

static __always_inline void request_forget(u64 req) {}
#else
/* Without io_uring there are only calls, each under its thread, which nobody else claims:
 * the hash map alone does, without compare-and-swap. An entry is there until its thread ends. */
static __always_inline struct entry *request_find(u64 req)
{
	struct entry *entry = (struct entry *)spilled.lookup(&req);
	return entry && entry->request.submitted_ns ? entry : 0;
}

static __always_inline struct entry *request_claim(u64 req)
{
	struct entry *entry = (struct entry *)spilled.lookup(&req);
	if (entry)
		return entry;
	u32 zero = 0;
	struct entry_bytes *blank = blank_entry.lookup(&zero);
	if (!blank)
		return 0;
	spilled.update(&req, blank);
	entry = (struct entry *)spilled.lookup(&req);
	if (!entry)
		count(LOST_TABLE);
	return entry;
}

static __always_inline void request_release(struct entry *entry, u64 req)
{
	entry->request.submitted_ns = 0;
}

static __always_inline void request_forget(u64 req)
{
	spilled.delete(&req);
}
#endif

/* Open operations that post completions which do not name their request: multishot
 * operations (req = the live request) and zero-copy sends waiting for their
 * notification (req = 0, the request structure is already free). */
enum open_class { OPEN_MULTISHOT = 0, OPEN_ZERO_COPY = 1 };

struct open_key {
	u64 ctx_and_class; /* ring contexts are aligned, so the low bit is free */
	u64 user_data;
};

struct open {
	u64 req;
	u32 count, ambiguous;
	struct request request;
};

OPAQUE(open_bytes, open);
BPF_HASH(by_user_data, struct open_key, struct open_bytes, SPILL);

static __always_inline void open_add(u64 ctx, u32 class, u64 req, const struct request *request)
{
	struct open_key key = {.ctx_and_class = ctx | class, .user_data = request->user_data};
	struct open *open = (struct open *)by_user_data.lookup(&key);
	if (open) {
		open->count++;
		open->ambiguous = 1;
		return;
	}
	struct open fresh = {.req = req, .count = 1, .request = *request};
	if (by_user_data.update(&key, (struct open_bytes *)&fresh))
		count(LOST_INDEX);
}

static __always_inline void open_end(u64 ctx, u32 class, u64 req, u64 user_data)
{
	struct open_key key = {.ctx_and_class = ctx | class, .user_data = user_data};
	struct open *open = (struct open *)by_user_data.lookup(&key);
	if (!open)
		return;
	if (open->count <= 1) {
		by_user_data.delete(&key);
		return;
	}
	open->count--;
	if (open->req == req)
		open->req = 0;
}

/* IORING_POLL_UPDATE_USER_DATA: the operation goes on under another user_data. */
static __always_inline void open_rename(u64 ctx, u64 before, u64 after)
{
	struct open_key key = {.ctx_and_class = ctx | OPEN_MULTISHOT, .user_data = before};
	struct open *open = (struct open *)by_user_data.lookup(&key);
	if (!open)
		return;
	struct open moved = *open;
	by_user_data.delete(&key);
	moved.request.user_data = key.user_data = after;
	struct entry *entry = moved.req ? request_find(moved.req) : 0;
	if (entry)
		entry->request.user_data = after;
	open = (struct open *)by_user_data.lookup(&key);
	if (open) {
		open->count += moved.count;
		open->ambiguous = 1;
		return;
	}
	if (by_user_data.update(&key, (struct open_bytes *)&moved))
		count(LOST_INDEX);
}
