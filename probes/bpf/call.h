/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * A system call in flight. It lives in the table of requests in flight, under its thread,
 * in the place of a request.
 */
#pragma once
#include "emit.h"

#ifdef CALLS

#define CALL_LIMIT 1024
#define NO_ARGUMENT 255
#define NO_CALL 0xffff
#define MAX_ERROR 4095 /* MAX_ERRNO, include/linux/err.h */
#define COMPATIBLE 2   /* TS_COMPAT, arch/x86/include/asm/thread_info.h: another table of numbers */

enum call_flags { /* CallFlag in probes/slots.py */
	RESULT_IS_DESCRIPTOR = 1,
	NO_RETURN = 2,
	MOVES_BYTES = 4,
	BEGINS_THREAD = 8,
	MAKES_FILE = 16,
	MAY_DUPLICATE = 32,
	SETS_OPTION = 64,
	MAY_TIME_OUT = 128,
};

enum capture_form { /* Capture in probes/slots.py */
	CAPTURE_NONE = 0,
	CAPTURE_STRING = 1,
	CAPTURE_FIXED = 2,
	CAPTURE_ADDRESS = 3,
	CAPTURE_RETURNED_ADDRESS = 4,
	CAPTURE_COUNTED = 5,
	CAPTURE_RETURNED = 6,
	CAPTURE_MESSAGE = 7,
	CAPTURE_SETS = 8,
	CAPTURE_OUTPUT = 0x80,
	CAPTURE_ENTRY = 0x40,
};

#define CAPTURES 3
struct call_traits {
	u8 descriptor, second, flags, reserved;
	struct {
		u8 argument, form;
		u16 size;
	} capture[CAPTURES];
};

BPF_F_TABLE("array", u32, struct call_traits, call_traits, CALL_LIMIT, BPF_F_MMAPABLE);

/* The request structure's place in the table, used for a call: the first 32 bytes are
 * there in every mode. */
struct call {
	u64 submitted_ns;
	u32 switches; /* voluntary context switches of the thread when the call began */
	u16 waker_number, reserved;
	u32 tgid, tid;
	s32 fd;
	u16 number;
	u8 wake, flags;
#ifdef ARGUMENTS
	u64 woken_ns, waker_argument;
	u32 file, second_file;
	u64 argument[6];
	u32 waker, waker_file, woke;
	u16 wakes, woke_count;
#endif
};

#define REQUEST_CALL 4 /* with the request_flags of inflight.h */

static __always_inline u64 call_key(u32 kernel_tid) { return (u64)kernel_tid << 8 | 1; }

static __always_inline struct call *call_of(struct entry *entry)
{
	return (struct call *)&entry->request;
}

/* The traits of a call; there are some for every number, so 0 is for the verifier only. */
static __always_inline const struct call_traits *traits_of(const struct call *call)
{
	u32 number = call->number & (CALL_LIMIT - 1);
	return call_traits.lookup(&number);
}

static __always_inline u64 call_argument(u64 regs, int index)
{
	switch (index) {
	case 0: return LOAD_TYPED(u64, regs, OFF_REGS_ARG0);
	case 1: return LOAD_TYPED(u64, regs, OFF_REGS_ARG1);
	case 2: return LOAD_TYPED(u64, regs, OFF_REGS_ARG2);
	case 3: return LOAD_TYPED(u64, regs, OFF_REGS_ARG3);
	case 4: return LOAD_TYPED(u64, regs, OFF_REGS_ARG4);
	default: return LOAD_TYPED(u64, regs, OFF_REGS_ARG5);
	}
}

static __always_inline u32 call_number(u64 task, s64 number)
{
#ifdef OFF_TASK_STATUS
	if (LOAD_TASK(u32, task, OFF_TASK_STATUS) & COMPATIBLE)
		return CALL_LIMIT - 1;
#endif
	return number >= 0 && number < CALL_LIMIT - 1 ? number : CALL_LIMIT - 1;
}

static __always_inline void begin_call(struct call *call, u64 id, u32 number, u64 task)
{
	call->tgid = id >> 32;
	call->number = number;
	call->wake = 0;
	call->flags = REQUEST_CALL;
	call->waker_number = NO_CALL;
	call->fd = -1;
	call->switches = LOAD_TASK(u32, task, OFF_TASK_SWITCHES);
#ifdef ARGUMENTS
	call->tid = id;
	call->woken_ns = call->waker_argument = 0;
	call->file = call->second_file = 0;
	call->waker = call->waker_file = call->woke = 0;
	call->wakes = call->woke_count = 0;
#endif
}
#endif
