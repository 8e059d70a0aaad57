/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What made a thread runnable that slept in a system call: a timer, the network, another
 * interrupt, or a thread, and in which call that thread was.
 */
#include "call.h"
#include "interrupt.h"

#if defined(CALLS) && defined(ARGUMENTS)

int sched_waking(struct bpf_raw_tracepoint_args *ctx)
{
	struct entry *entry = request_find(call_key(LOAD_TYPED(u32, ctx->args[0], OFF_TASK_PID)));
	if (usual(!entry))
		return 0;
	struct call *call = call_of(entry);
	struct interrupts *here = interrupts_here();
	u8 wake = WAKE_THREAD;
	if (here) {
		u8 context = here->hrtimer ? here->hrtimer : here->irq ? here->irq : here->softirq;
		if (context)
			wake = context;
	}
	call->wake = wake;
	call->woken_ns = bpf_ktime_get_ns();
	if (call->wakes < 0xffff)
		call->wakes++;
	call->waker = call->waker_file = 0;
	call->waker_number = NO_CALL;
	call->waker_argument = 0;
	if (wake != WAKE_THREAD)
		return 0;
	u32 woken = call->tid;
	call->waker = current_id();
	struct entry *other = request_find(call_key((u32)bpf_get_current_pid_tgid()));
	if (!other)
		return 0;
	struct call *waker = call_of(other);
	call->waker_number = waker->number;
	call->waker_file = waker->file;
	call->waker_argument = waker->argument[0];
	waker->woke = woken;
	if (waker->woke_count < 0xffff)
		waker->woke_count++;
	return 0;
}
#endif
