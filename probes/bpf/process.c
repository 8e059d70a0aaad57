/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * Follows the target's process tree: children join the target set before they run
 * (with -f), and a process leaves it when its last thread exits.
 */
#include "facts.h"
#include "call_report.h"

#ifdef FILTER_BITS
static __always_inline void tell(u32 type, u32 pid, u32 parent)
{
	struct process_fact fact = {.type = type, .pid = pid, .parent = parent};
	if (facts.ringbuf_output(&fact, sizeof(fact), BPF_RB_NO_WAKEUP))
		count(LOST_FACTS);
}

static __always_inline void set_target(u32 pid, int on)
{
	u8 *byte = target_byte(pid);
	if (byte)
		*byte = on;
}

#ifdef FOLLOW
int sched_process_fork(struct bpf_raw_tracepoint_args *ctx)
{
	u32 parent = task_tgid(number(ctx->args[0]));
	u32 child = task_tgid(number(ctx->args[1]));
	if (child != parent && is_target(parent) && !ran_already(child)) {
		set_target(child, 1);
		tell(FACT_FORK, child, parent);
	}
	return 0;
}
#endif
#endif

#if defined(FILTER_BITS) || (defined(CALLS) && !defined(FLOOR))
int sched_process_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 task = number(ctx->args[0]);
	if (ran_already(task))
		return 0;
#if defined(CALLS) && !defined(FLOOR)
	end_thread(task);
#endif
#ifdef FILTER_BITS
	u32 pid = task_tgid(task);
	if (!is_target(pid))
		return 0;
	u64 signal = LOAD_PROBED(u64, task, OFF_TASK_SIGNAL);
	if (LOAD_PROBED(u32, signal, OFF_SIGNAL_LIVE) == 0) {
		set_target(pid, 0);
		tell(FACT_EXIT, pid, 0);
	}
#endif
	return 0;
}
#endif
