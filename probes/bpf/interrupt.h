/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * In which context the processor is: a softirq, a timer's handler, another interrupt.
 * Kept by interrupt.c; only outside of all of them is the current task the one that acts.
 */
#pragma once
#include "common.h"

#ifdef ARGUMENTS
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
#endif
