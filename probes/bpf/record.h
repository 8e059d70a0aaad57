/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What the probes hand to user space: 64-byte slots in the operations ring buffer and
 * variable-size facts in the facts ring buffer. probes/slots.py declares the same
 * layouts as numpy dtypes; tests compare the two sizes and offsets.
 *
 * The ring buffer's own header takes 8 bytes, so a record of 56 bytes fills one slot.
 * A longer record fills several: each further slot begins with a header written here,
 * so that the reader may view the whole buffer as slots.
 */
#pragma once
#include <linux/types.h>

enum slot_kind {
	KIND_COMPLETION = 1,
	KIND_UNTRACKED = 2,
	KIND_MESSAGE = 3,
	KIND_SILENT = 4,
	KIND_UNFINISHED = 5,
	KIND_CALL = 6,
	KIND_SOCKET_EVENT = 7,
	KIND_ARGUMENTS = 16,
	KIND_SEQUENCE = 17,
	KIND_CALL_ARGUMENTS = 18,
	KIND_WAKE = 19,
	KIND_MEMORY = 20,
};

enum call_state { /* bits of call_slot.flags */
	CALL_SLEPT = 1,
	CALL_NO_RESULT = 2,  /* it does not return, as exit_group */
	CALL_UNFINISHED = 4, /* its thread ended in it */
};

enum path_bits {
	PATH_POLL = 1,
	PATH_IO_WQ = 2,
	PATH_DEFERRED = 4,
	PATH_REJECTED = 8,
	PATH_OVERFLOW = 16,
	PATH_DROPPED = 32,
	PATH_AMBIGUOUS = 64,
};

/* IOSQE_* uses bits 0 to 6; bit 7 tells that the SQE's fields were read. Fields that
 * are all zero send no arguments slot. */
#define SQE_ARGUMENTS_SEEN 128

#define UNKNOWN_OPCODE 255

/* include/uapi/linux/io_uring.h */
#define SQE_CQE_SKIP (1 << 6)
#define SETUP_SQE128 (1 << 10)
#define SETUP_NO_SQARRAY (1 << 16)
#define POLL_ADD_MULTI (1 << 0)
#define POLL_ONESHOT (1 << 30) /* EPOLLONESHOT, include/uapi/linux/eventpoll.h */
#define POLL_UPDATE_USER_DATA (1 << 2)
#define TIMEOUT_MULTISHOT (1 << 6)
#define URING_CMD_MULTISHOT (1 << 1)
#define RECVSEND_BUNDLE (1 << 4)
#define SPLICE_F_FD_IN_FIXED (1U << 31)
#define SLOT_ANY 0xffffffff /* IORING_FILE_INDEX_ALLOC */
#define CQE_MORE (1 << 1)
#define CQE_NOTIF (1 << 3)
/* include/linux/sched.h */
#define PF_IO_WORKER 0x10

struct operation_slot {
	u8 kind, opcode, path, sqe_flags;
	s32 fd;
	u64 completed_ns, submitted_ns, user_data;
	u32 ring, tgid, tid;
	s32 result;
	u32 cqe_flags, file;
};

struct arguments_slot {
	u8 kind, reserved;
	u16 ioprio;
	u32 len;
	u64 off, addr;
	u32 op_flags;
	u16 buf_index, personality;
	u32 file_index;
	u16 chain_position, reserved2;
	u64 addr3, chain;
};

struct sequence_slot {
	u8 kind, reserved[3];
	u32 sequence; /* 0: not a multishot operation */
	u64 previous_ns;
	u32 result_file, second_file;
	u64 reserved2[4];
};

/* A system call, when it returns. */
struct call_slot {
	u8 kind, flags;
	u16 number;
	s32 fd;
	u64 completed_ns, submitted_ns;
	s64 result;
	u32 tgid, tid;
	u32 file, second_file, result_file, reserved;
};

struct call_arguments_slot {
	u8 kind, reserved[7];
	u64 argument[6];
};

/* What woke the thread while it slept in the call, and whom the call woke. */
struct wake_slot {
	u8 kind, wake;
	u16 waker_number; /* NO_CALL: none */
	u32 waker, waker_file, woke;
	u16 wakes, woke_count;
	u32 reserved;
	u64 woken_ns, waker_argument;
	u64 reserved2[2];
};

#define MEMORY_BYTES 48
struct memory_slot {
	u8 kind, argument;
	u16 bytes;
	u32 total;
	u8 data[MEMORY_BYTES];
};

struct socket_event_slot {
	u8 kind, event, before, after;
	u32 file;
	u64 ns;
	u64 reserved[5];
};

struct slot_header {
	u32 length, page_offset;
};

struct one_slot {
	struct operation_slot operation;
};

struct two_slots {
	struct operation_slot operation;
	struct slot_header header;
	struct arguments_slot arguments;
};

struct three_slots {
	struct operation_slot operation;
	struct slot_header header;
	struct arguments_slot arguments;
	struct slot_header header2;
	struct sequence_slot sequence;
};

/* Indexes of the per-CPU event counters: what could not be delivered or remembered. */
enum counter {
	LOST_OPERATIONS, /* no room in the operations ring buffer */
	LOST_FACTS,      /* no room in the facts ring buffer */
	LOST_TABLE,      /* no room to remember a request in flight */
	LOST_INDEX,      /* no room to remember an open multishot or zero-copy operation */
	LOST_RINGS,      /* no room to remember another ring */
	UNTRACKED,       /* completions of operations that are not known */
	LOST_MEMORY,     /* no room to keep what a call pointed to when it began */
	FLOOR_EVENTS,    /* floor mode: events counted and nothing else */
	TWIN_EVENTS,     /* events that the kernel skipped for a probe and its twin took: socket.c */
	COUNTERS_END,
};
