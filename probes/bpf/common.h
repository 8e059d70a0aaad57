/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Reading kernel memory, choosing targets and counting losses: what every probe needs.
 *
 * All offsets (OFF_*), bits (REQ_*) and opcodes (OP_*) are -D constants that
 * probes/layout.py found in the running kernel's BTF. A typed tracepoint argument
 * (TYPED_*) may be dereferenced directly: the verifier knows its type and the kernel
 * handles a fault, which saves a helper call per field. Everything else goes through
 * bpf_probe_read_kernel.
 */
#pragma once
#include "record.h"

/* What an ordinary operation does not do is compiled out of its way: the probes run among
 * the target's own code, and every cache line they touch is one less for it. */
#define rare(condition) __builtin_expect(!!(condition), 0)
#define usual(condition) __builtin_expect(!!(condition), 1)

#ifndef LOAD_TYPED
#define LOAD_TYPED(type, base, offset) (*(volatile type *)((base) + (offset)))
#endif
#define LOAD_PROBED(type, base, offset)                                                   \
	({                                                                                \
		type value_ = 0;                                                          \
		bpf_probe_read_kernel(&value_, sizeof(value_), (void *)((base) + (offset))); \
		value_;                                                                   \
	})

/* The task that runs now. Kernels that do not hand it out typed (TYPED_TASK) have its fields
 * read as any other memory is. */
static __always_inline u64 task_now(void)
{
#ifdef TYPED_TASK
	return (u64)bpf_get_current_task_btf();
#else
	return bpf_get_current_task();
#endif
}

#ifdef TYPED_TASK
#define LOAD_TASK LOAD_TYPED
#else
#define LOAD_TASK LOAD_PROBED
#endif

/* A typed pointer may not be shifted or compared as a number. Negating it twice gives
 * the verifier a plain number with the same value. */
static __always_inline u64 number(u64 pointer)
{
	asm volatile("%0 = -%0\n%0 = -%0" : "+r"(pointer));
	return pointer;
}

/* bcc generates code to print every map's values, field by field, and compiles it too:
 * most of the start-up time for our larger structs. It takes bytes for a string, so
 * those maps hold bytes, and OPAQUE names the type for them. */
#define OPAQUE(name, type)                       \
	struct name {                            \
		char bytes[sizeof(struct type)]; \
	} __attribute__((aligned(8)))

/* The same number, of which the verifier knows nothing: what it cannot tell apart it need not
 * follow apart. `unknown` is any number that it knows no bit of. */
static __always_inline u64 hidden(u64 value, u64 unknown)
{
	asm volatile("%0 ^= %1\n%0 ^= %1" : "+r"(value) : "r"(unknown));
	return value;
}

/* Process and thread ids are those of the tracer's own pid namespace; 0 for a task that it
 * does not see. */
#ifdef NAMESPACE_INODE
#define NAMESPACE_DEPTH 6
static __always_inline u32 namespace_id(u64 pid)
{
	u32 deepest = LOAD_PROBED(u32, pid, OFF_PID_LEVEL);
#pragma unroll
	for (u32 level = 0; level < NAMESPACE_DEPTH; level++) {
		u64 upid = pid + OFF_PID_NUMBERS + level * SIZE_UPID;
		if (level > deepest)
			return 0;
		if (LOAD_PROBED(u32, LOAD_PROBED(u64, upid, OFF_UPID_NAMESPACE), OFF_NAMESPACE_INODE) ==
		    NAMESPACE_INODE)
			return LOAD_PROBED(u32, upid, OFF_UPID_NUMBER);
	}
	return 0;
}
#endif

static __always_inline u32 task_tid(u64 task)
{
#ifdef NAMESPACE_INODE
	return namespace_id(LOAD_PROBED(u64, task, OFF_TASK_THREAD_PID));
#else
	return LOAD_PROBED(u32, task, OFF_TASK_PID);
#endif
}

static __always_inline u32 task_tgid(u64 task)
{
#ifdef NAMESPACE_INODE
	return task_tid(LOAD_PROBED(u64, task, OFF_TASK_LEADER));
#else
	return LOAD_PROBED(u32, task, OFF_TASK_TGID);
#endif
}

/* Process (upper half) and thread that run now. */
static __always_inline u64 current_id(void)
{
#ifdef NAMESPACE_INODE
	u64 task = bpf_get_current_task();
	u64 tgid = task_tgid(task);
	return tgid ? tgid << 32 | task_tid(task) : 0;
#else
	return bpf_get_current_pid_tgid();
#endif
}

/* Numbers of one processor. Where a thread may be put aside in the middle of a probe, other
 * probes add to the same number meanwhile. */
#ifdef PREEMPTED
#define ADD(field, amount) __sync_fetch_and_add(&(field), (amount))
#else
#define ADD(field, amount) ((field) += (amount))
#endif

BPF_F_TABLE("array", u32, u64, counters, COUNTERS_END * CPUS, BPF_F_MMAPABLE);

static __always_inline void count(u32 counter)
{
	u32 key = bpf_get_smp_processor_id() * COUNTERS_END + counter;
	u64 *value = counters.lookup(&key);
	if (value)
		ADD(*value, 1);
}

/* Where a thread may be put aside in the middle of a probe, the kernel skips that probe for the
 * other threads of the processor until it goes on. So each probe is attached twice, and the
 * second one, its twin (compiled with TWIN), takes what the first was skipped for: the first
 * leaves a mark for the thread that it runs in, and the twin, which runs next in the same
 * thread, takes it away. The mark is made of the event, so that one that was left since a twin
 * was skipped in its turn is seldom taken for another event's; what is lost by that has been
 * counted as skipped. To be asked before a probe has changed anything. */
#ifdef PREEMPTED
BPF_F_TABLE("array", u32, u64, passed, PID_LIMIT / 8, 0);

static __always_inline int ran_already(u64 event)
{
	u32 tid = bpf_get_current_pid_tgid(), key = tid / 8;
	u8 own = (event * 0x9E3779B97F4A7C15ULL >> 56) | 1;
	u64 *bytes = passed.lookup(&key);
	if (!bytes)
		return 0;
	u8 *mark = (u8 *)bytes + (tid & 7);
#ifdef TWIN
	int same = *mark == own;
	*mark = 0;
	if (usual(same))
		return 1;
	count(TWIN_EVENTS);
#else
	*mark = own;
#endif
	return 0;
}
#else
#define ran_already(event) 0
#endif

/* Set by user space while all probes are attached. A completion without a known
 * submission counts only then: probes come and go one by one. */
BPF_F_TABLE("array", u32, u64, started, 1, BPF_F_MMAPABLE);

static __always_inline int capture_started(void)
{
	u32 zero = 0;
	u64 *value = started.lookup(&zero);
	return value && *value;
}

/* A number that nothing else of a map of NUMBERS has; 0 when there is none. */
#ifdef IO_URING
#define NUMBERS(name) BPF_ARRAY(name, u64, 1)
static __always_inline u32 take_number(u64 *next)
{
	if (!next)
		return 0;
#pragma unroll
	for (int i = 0; i < 8; i++) {
		u64 seen = *next;
		if (__sync_val_compare_and_swap(next, seen, seen + 1) == seen)
			return seen + 1;
	}
	return 0;
}
#else
/* Without compare-and-swap, which a kernel whose io_uring is too old has not either, each
 * processor gives out numbers of its own. */
#define NUMBERS(name) BPF_PERCPU_ARRAY(name, u64, 1)
static __always_inline u32 take_number(u64 *next)
{
	if (!next || *next >= 0xffffffffu / CPUS)
		return 0;
	return (*next)++ * CPUS + bpf_get_smp_processor_id() + 1;
}
#endif

#ifdef FILTER_BITS
/* One byte per process id, 1 for targets; user space seeds it, process.c keeps it. Bytes, not
 * bits: processors that write beside each other do not meet. */
BPF_F_TABLE("array", u32, u64, targets, PID_LIMIT / 8, BPF_F_MMAPABLE);

static __always_inline u8 *target_byte(u32 tgid)
{
	u32 key = tgid >> 3;
	u64 *bytes = targets.lookup(&key);
	return bytes ? (u8 *)bytes + (tgid & 7) : 0;
}
#endif

static __always_inline int is_target(u32 tgid)
{
#if defined(FILTER_ONE)
	return tgid == FILTER_ONE;
#elif defined(FILTER_BITS)
	u8 *byte = target_byte(tgid);
	return byte && *byte;
#elif defined(NAMESPACE_INODE)
	return tgid && tgid != FILTER_NOT;
#else
	return tgid != FILTER_NOT; /* the tracer itself: what it prints would be traced again */
#endif
}
