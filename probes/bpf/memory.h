/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The user memory that a system call's arguments point to: paths, addresses, lists of
 * descriptors and events. Payload is never read: the table `call_traits`, made from the
 * calls' signatures, names each argument to read and how long it is. It is read when the
 * call returns, because by then the kernel has brought the memory in, unless the call
 * overwrites it; then it is kept from the beginning on.
 */
#pragma once
#include "call.h"

#if defined(CALLS) && defined(ARGUMENTS)
#define MEMORY_SLOTS 170
#define SCRATCH_SLOTS (3 + MEMORY_SLOTS)
#define SLOT_SIZE 64
#define ITEMS 16 /* three captures of at most four; a power of two */
#define KEPT_SLOTS 24
#define STEPS 24 /* times 32 tail calls is more than there are slots and items */
#define ENTERED 0x20 /* records.ENTERED */
#define ARGUMENT_IOVEC 0x10
#define ARGUMENT_NAME 0x11
#define ARGUMENT_CONTROL 0x12
#define ADDRESS_SIZE 128 /* sizeof(struct sockaddr_storage) */
#define CONTROL_SIZE 96
#define TIME_SIZE 16
/* FUTEX_WAIT, LOCK_PI, WAIT_BITSET, WAIT_REQUEUE_PI and LOCK_PI2, include/uapi/linux/futex.h */
#define FUTEX_WAITS (1 << 0 | 1 << 6 | 1 << 9 | 1 << 11 | 1 << 13)
#define MOST_ITEMS (1 << 16)
#define SET_SIZE 128

/* A record being put together. One slot more than there can be: a string's end is
 * written behind its slot before the next one is begun. */
struct scratch {
	u8 slots[(SCRATCH_SLOTS + 1) * SLOT_SIZE];
};

OPAQUE(scratch_bytes, scratch);
BPF_PERCPU_ARRAY(scratch, struct scratch_bytes, 1);

/* What a call pointed to when it began, for calls that overwrite it. */
struct kept_memory {
	u32 used, reserved;
	u8 slots[KEPT_SLOTS * SLOT_SIZE];
};

OPAQUE(kept_bytes, kept_memory);
BPF_HASH(kept, u64, struct kept_bytes, 1024);

struct memory_item {
	u64 address;
	u32 size;
	u8 argument, string, reserved[2];
};

/* What is to be read for one call, and how far that has come. It lives in a map, not on
 * the stack or in registers: the verifier does not know what maps hold, so it need not
 * follow each combination of what the traits may ask for and how the reads turn out. */
struct memory_list {
	u32 count;
	u32 place, done; /* the item that is being read, and how many of its bytes have been */
	u32 used, limit; /* slots */
	u32 reserved;
	struct memory_item item[ITEMS];
};

OPAQUE(memory_list_bytes, memory_list);
BPF_PERCPU_ARRAY(memory_list, struct memory_list_bytes, 1);

struct user_message { /* struct user_msghdr, include/linux/socket.h */
	u64 name;
	u32 name_length, padding;
	u64 vectors, vector_count, control, control_length;
	u32 flags, padding2;
};

static __always_inline u32 at_most(u64 size, u32 limit) { return size < limit ? size : limit; }

static __always_inline void add_item(struct memory_list *list, u8 argument, u64 address, u32 size, u8 string)
{
	u32 place = list->count;
	if (!address || place >= ITEMS)
		return;
	struct memory_item *item = &list->item[place];
	item->address = address;
	item->size = size;
	item->argument = argument;
	item->string = string;
	list->count = place + 1;
}

static __always_inline u64 argument_of(const struct call *call, u32 argument)
{
	asm volatile("%0 &= 7" : "+r"(argument));
	return argument < 6 ? call->argument[argument] : 0;
}

/* Whether a capture's pointer is one. Most calls of recv and send give no address, and what
 * they would point to need not be looked for. */
static __always_inline int points_to_memory(const struct call *call, const struct call_traits *traits, u32 which)
{
	u8 kind = traits->capture[which].form & 0x3f;
	return kind == CAPTURE_SETS || (kind && argument_of(call, traits->capture[which].argument));
}

static __always_inline int has_memory(const struct call *call, const struct call_traits *traits)
{
	return traits->capture[0].form && (points_to_memory(call, traits, 0) || points_to_memory(call, traits, 1) ||
					   points_to_memory(call, traits, 2));
}

static __always_inline void list_message(struct memory_list *list, u8 argument, u64 address)
{
	struct user_message message = {};
	add_item(list, argument, address, sizeof(message), 0);
	bpf_probe_read_user(&message, sizeof(message), (void *)address);
	add_item(list, ARGUMENT_NAME, message.name, at_most(message.name_length, ADDRESS_SIZE), 0);
	add_item(list, ARGUMENT_IOVEC, message.vectors, at_most(message.vector_count, 1024) * 16, 0);
	add_item(list, ARGUMENT_CONTROL, message.control, at_most(message.control_length, CONTROL_SIZE), 0);
}

static __always_inline void list_sets(struct memory_list *list, const struct call *call, u8 code)
{
	u32 bytes = (at_most(call->argument[0], SET_SIZE * 8) + 63) >> 6 << 3;
	add_item(list, 1 | code, call->argument[1], bytes, 0);
	add_item(list, 2 | code, call->argument[2], bytes, 0);
	add_item(list, 3 | code, call->argument[3], bytes, 0);
	if (code)
		add_item(list, 4 | code, call->argument[4], TIME_SIZE, 0);
}

/* Whether nothing of a call's memory may be read, or there is none in spite of the traits. */
static __always_inline int hides_memory(const struct call_traits *traits, const struct call *call)
{
	if (traits->flags & SETS_OPTION)
		return call->argument[1] == 279 /* SOL_ALG: ALG_SET_KEY */ ||
		       (call->argument[1] == 6 /* SOL_TCP */ && call->argument[2] == 33 /* TCP_FASTOPEN_KEY */);
	if (traits->flags & MAY_TIME_OUT) {
		u32 operation = call->argument[1] & 127; /* FUTEX_CMD_MASK */
		return !(1ULL << (operation & 63) & FUTEX_WAITS);
	}
	return 0;
}

/* Adds what one capture of a call stands for, when it begins or when it has returned. */
static __always_inline void list_capture(struct memory_list *list, const struct call_traits *traits, u32 which,
					 const struct call *call, s64 result, int entering)
{
	u8 form = traits->capture[which].form, kind = form & 0x3f;
	u32 argument = traits->capture[which].argument, size = traits->capture[which].size;
	if (!kind)
		return;
	if (kind == CAPTURE_SETS) {
		list_sets(list, call, entering ? ENTERED : 0);
		return;
	}
	if (entering != !!(form & CAPTURE_ENTRY) || (form & CAPTURE_OUTPUT && result < 0))
		return;
	u64 address = argument_of(call, argument), next = argument_of(call, argument + 1);
	u32 length = size;
	if (kind == CAPTURE_MESSAGE) {
		list_message(list, argument, address);
		return;
	}
	if (kind == CAPTURE_ADDRESS) {
		length = at_most(next, ADDRESS_SIZE);
	} else if (kind == CAPTURE_RETURNED_ADDRESS) {
		length = 0;
		bpf_probe_read_user(&length, sizeof(length), (void *)next);
		length = at_most(length, ADDRESS_SIZE);
	} else if (kind == CAPTURE_COUNTED) {
		length = at_most(next, MOST_ITEMS) * size;
	} else if (kind == CAPTURE_RETURNED) {
		length = at_most(result, MOST_ITEMS) * size;
	}
	add_item(list, argument, address, length, kind == CAPTURE_STRING);
}

static __always_inline u8 *next_slot(u8 *slots, const struct memory_list *list)
{
	u32 used = list->used;
	return used < list->limit && used < SCRATCH_SLOTS ? slots + used * SLOT_SIZE : 0;
}

/* Reads the next piece of an item; returns whether there may be more. */
static __always_inline int read_piece(u8 *slots, struct memory_list *list, const struct memory_item *item)
{
	u32 done = list->done, total = item->size, length = total - done;
	u8 *slot = next_slot(slots, list);
	if (!slot || done >= total)
		return 0;
	struct slot_header *header = (struct slot_header *)slot;
	struct memory_slot *memory = (struct memory_slot *)(header + 1);
	void *from = (void *)(item->address + done);
	int more = 1;
	if (length > MEMORY_BYTES)
		length = MEMORY_BYTES;
	if (item->string) {
		long got = bpf_probe_read_user_str(memory->data, MEMORY_BYTES + 1, from);
		if (got <= 0)
			return 0;
		if (got <= MEMORY_BYTES) {
			length = got;
			total = done + length;
			more = 0;
		}
	} else {
		/* Not a byte more: what follows may be a key. */
		asm volatile("%0 &= 63" : "+r"(length));
		if (bpf_probe_read_user(memory->data, length, from))
			return 0;
	}
	header->length = sizeof(*memory);
	header->page_offset = 0;
	memory->kind = KIND_MEMORY;
	memory->argument = item->argument;
	memory->bytes = length;
	memory->total = total;
	list->done = done + length;
	list->used++;
	return more;
}

/* Reads some of what is listed into the slots from number list->used on, and returns
 * whether there is more: the verifier follows every turn of a loop, so a long list is read
 * by a program that calls itself. */
static __always_inline int read_memory(u8 *slots, struct memory_list *list)
{
	for (u32 step = 0; step < STEPS; step++) {
		asm volatile("" : "+r"(step));
		u32 place = list->place;
		if (place >= list->count || place >= ITEMS)
			return 0;
		if (!read_piece(slots, list, &list->item[place])) {
			list->place = place + 1;
			list->done = 0;
		}
	}
	return 1;
}

static __always_inline struct memory_list *current_list(void)
{
	u32 zero = 0;
	return (struct memory_list *)memory_list.lookup(&zero);
}

static __always_inline struct memory_list *begin_list(u32 used, u32 limit)
{
	struct memory_list *list = current_list();
	if (list) {
		list->count = list->place = list->done = 0;
		list->used = used;
		list->limit = limit;
	}
	return list;
}

static __always_inline int keeps_memory(const struct call_traits *traits)
{
	u8 form = traits->capture[0].form;
	return form & CAPTURE_ENTRY || form == CAPTURE_SETS;
}

/* Adds what was kept when the call began. */
static __always_inline void recall_memory(u8 *slots, struct memory_list *list, u64 key)
{
	struct kept_memory *before = (struct kept_memory *)kept.lookup(&key);
	if (!before)
		return;
	for (u32 index = 0; index < KEPT_SLOTS; index++) {
		asm volatile("" : "+r"(index));
		u8 *slot = next_slot(slots, list);
		if (!slot || index >= before->used)
			break;
		__builtin_memcpy(slot, before->slots + index * SLOT_SIZE, SLOT_SIZE);
		list->used++;
	}
	kept.delete(&key);
}
#endif
