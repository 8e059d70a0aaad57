/* SPDX-License-Identifier: MIT
 *
 * The probes compiled for user space: `fire` runs one as the kernel would.
 */
#include "shim.h"
#include "io_uring.c"
#include "process.c"

int fire(int (*probe)(struct bpf_raw_tracepoint_args *), u64 *arguments)
{
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
