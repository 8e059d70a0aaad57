/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The tracepoints around interrupts. On loopback the sender's own call runs the receiving
 * softirq: that is the network, not the sender.
 */
#include "interrupt.h"

#ifdef ARGUMENTS
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

#ifdef CALLS
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
#endif
#endif
