/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What made a thread runnable that slept in a system call: a timer, the network, another
 * interrupt, or a thread, and in which call that thread was.
 *
 * The processor's present context is known from the tracepoints around interrupts; only
 * outside of them is the current task the one that wakes. On loopback the sender's own
 * call runs the receiving softirq: that is the network, not the sender.
 */
#include "call.h"

#if defined(CALLS) && defined(ARGUMENTS)

enum wake { WAKE_NONE = 0, WAKE_TIMER = 1, WAKE_NETWORK = 2, WAKE_THREAD = 3, WAKE_INTERRUPT = 4 };
/* enum in include/linux/interrupt.h */
enum softirq { TIMER_SOFTIRQ = 1, NET_TX_SOFTIRQ = 2, NET_RX_SOFTIRQ = 3 };

struct interrupts {
	u8 hrtimer, irq, softirq, reserved[5];
};

BPF_PERCPU_ARRAY(interrupts, struct interrupts, 1);

static __always_inline struct interrupts *interrupts_here(void)
{
	u32 zero = 0;
	return interrupts.lookup(&zero);
}

int softirq_entry(struct bpf_raw_tracepoint_args *ctx)
{
	struct interrupts *here = interrupts_here();
	u32 vector = ctx->args[0];
	if (here)
		here->softirq = vector == NET_RX_SOFTIRQ || vector == NET_TX_SOFTIRQ ? WAKE_NETWORK :
				vector == TIMER_SOFTIRQ				     ? WAKE_TIMER :
										       WAKE_INTERRUPT;
	return 0;
}

int softirq_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct interrupts *here = interrupts_here();
	if (here)
		here->softirq = 0;
	return 0;
}

int hrtimer_expire_entry(struct bpf_raw_tracepoint_args *ctx)
{
	struct interrupts *here = interrupts_here();
	if (here)
		here->hrtimer = WAKE_TIMER;
	return 0;
}

int hrtimer_expire_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct interrupts *here = interrupts_here();
	if (here)
		here->hrtimer = 0;
	return 0;
}

int irq_handler_entry(struct bpf_raw_tracepoint_args *ctx)
{
	struct interrupts *here = interrupts_here();
	if (here)
		here->irq = WAKE_INTERRUPT;
	return 0;
}

int irq_handler_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct interrupts *here = interrupts_here();
	if (here)
		here->irq = 0;
	return 0;
}

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
