/* SPDX-License-Identifier: MIT
 *
 * The probes compiled for user space: `fire` runs one as the kernel would.
 */
#include "shim.h"
#include "io_uring.c"
#include "syscall.c"
#include "interrupt.c"
#include "wake.c"
#include "socket.c"
#include "process.c"

#ifdef ARGUMENTS
static int (*continued[][CONTINUATIONS])(struct bpf_raw_tracepoint_args *) = {
	{describe_file, 0, 0},
	{describe_file, call_memory_entry, read_memory_entry},
	{describe_file, call_memory_exit, read_memory_exit},
};
static int firing;

/* A tail call does not come back. */
static void tail_call(struct bpf_raw_tracepoint_args *ctx, u32 index)
{
	continued[firing][index](ctx);
	longjmp(tail, 1);
}
#endif

int fire(int (*probe)(struct bpf_raw_tracepoint_args *), u64 *arguments)
{
#ifdef ARGUMENTS
	firing = probe == sys_enter ? 1 : probe == sys_exit ? 2 : 0;
#endif
	if (setjmp(tail))
		return 0;
	return probe((struct bpf_raw_tracepoint_args *)arguments);
}

void reset(void)
{
	for (struct table *table = tables; table; table = table->next) {
		table->used = 0;
		memset(table->values, 0, (size_t)table->entries * table->value_size);
	}
	memset(memory, 0, sizeof(memory));
	facts_buffer.used = 0;
	facts_buffer.capacity = RING_BUFFER_SIZE;
#ifdef STREAM
	operations_buffer.used = 0;
	operations_buffer.capacity = RING_BUFFER_SIZE;
#endif
	clock_ns = current_pid_tgid = current_task = current_cpu = 0;
}

#ifndef STREAM
u32 bucket(u64 latency_ns) { return bucket_of(latency_ns); }
#endif
