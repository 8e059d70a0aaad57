/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * The second, small ring buffer: rare facts of variable meaning, each starting with a
 * u32 type. probes/facts.py parses them.
 */
#pragma once
#include "common.h"

enum fact_type {
	FACT_FILE = 1,
	FACT_FORK = 2,
	FACT_EXIT = 3,
};

BPF_RINGBUF_OUTPUT(facts, FACT_PAGES);

struct process_fact {
	u32 type, pid, parent, reserved;
};
