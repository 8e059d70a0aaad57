/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * System calls as operations: entry and exit of one thread make one, from the raw
 * tracepoints sys_enter and sys_exit.
 *
 * What it is comes from the registers, which still hold the arguments when it returns; so
 * a call that began before the probes is known but for its start.
 */
#include "facts.h"
#include "call_report.h"

#ifdef CALLS

#ifdef FLOOR
int sys_enter(struct bpf_raw_tracepoint_args *ctx)
{
	count(FLOOR_EVENTS);
	return 0;
}

int sys_exit(struct bpf_raw_tracepoint_args *ctx)
{
	count(FLOOR_EVENTS);
	return 0;
}
#else

#ifdef ARGUMENTS
static __always_inline void take_arguments(struct call *call, u64 regs, const struct call_traits *traits)
{
#pragma unroll
	for (int index = 0; index < 6; index++)
		call->argument[index] = call_argument(regs, index);
	u32 descriptor = traits->descriptor, second = traits->second;
	if (descriptor < 6) {
		asm volatile("%0 &= 7" : "+r"(descriptor));
		call->fd = call->argument[descriptor];
		call->file = file_number_at(call->fd);
	}
	if (second < 6) {
		asm volatile("%0 &= 7" : "+r"(second));
		call->second_file = file_number_at(call->argument[second]);
	}
}

static __always_inline void describe_files(struct bpf_raw_tracepoint_args *ctx)
{
	if (files_to_describe()) {
		continuations.call(ctx, DESCRIBE_FILE);
		count(LOST_FACTS);
	}
}
#endif

#ifdef ARGUMENTS
static __always_inline int duplicates(u64 command)
{
	return command == 0 /* F_DUPFD */ || command == 1030 /* F_DUPFD_CLOEXEC */;
}
#endif

int sys_enter(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = current_id();
	if (usual(!is_target(id >> 32)))
		return 0;
	u64 task = task_now();
	u32 number = call_number(task, ctx->args[1]);
	u64 key = call_key(LOAD_TASK(u32, task, OFF_TASK_PID));
	const struct call_traits *traits = call_traits.lookup(&number);
	if (!traits)
		return 0;
#ifdef TWIN
	/* A thread is in one call at a time: where it is in one, the probe itself has run. One that
	 * does not return leaves nothing but a mark. */
	if (usual(request_find(key)))
		return 0;
	if (!(traits->flags & NO_RETURN))
		count(TWIN_EVENTS);
#endif
	if (rare(traits->flags & NO_RETURN) && ran_already(number))
		return 0;
	struct entry *entry = request_claim(key);
	if (!entry)
		return 0;
	struct call *call = call_of(entry);
	begin_call(call, id, number, task);
#ifdef ARGUMENTS
	begin_files();
	take_arguments(call, ctx->args[0], traits);
#else
	struct counts *counts = counts_of(number);
	if (counts)
		ADD(counts->submitted, 1);
#endif
	u64 now = bpf_ktime_get_ns();
	call->submitted_ns = now;
	if (rare(traits->flags & NO_RETURN)) {
#ifdef ARGUMENTS
		struct pending_call pending = {.key = key, .now = now, .flags = CALL_NO_RESULT};
		emit_call(call, &pending);
#else
		if (counts)
			ADD(counts->silent, 1);
#endif
		request_release(entry, key);
	}
#ifdef ARGUMENTS
	if (rare(keeps_memory(traits) && points_to_memory(call, traits, 0)))
		continuations.call(ctx, CALL_MEMORY);
	describe_files(ctx);
#endif
	return 0;
}

int sys_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u64 id = current_id();
	if (usual(!is_target(id >> 32)))
		return 0;
	u64 now = bpf_ktime_get_ns();
	u64 task = task_now();
	u64 key = call_key(LOAD_TASK(u32, task, OFF_TASK_PID));
	s64 result = ctx->args[1];
	struct entry *entry = request_find(key);
	int from_start = entry != 0;
#ifdef TWIN
	/* The probe itself has run: it ended the call. */
	if (usual(!entry))
		return 0;
	count(TWIN_EVENTS);
#endif
	if (rare(!from_start)) {
		if (!capture_started())
			return 0;
		entry = request_claim(key);
		if (!entry)
			return 0;
		begin_call(call_of(entry), id, call_number(task, LOAD_TYPED(s64, ctx->args[0], OFF_REGS_NUMBER)), task);
	}
	struct call *call = call_of(entry);
	const struct call_traits *traits = traits_of(call);
	if (!traits)
		return 0;
	/* The new thread's side of a fork. */
	if (rare(!from_start && !result && traits->flags & BEGINS_THREAD))
		goto release;
	int slept = from_start && LOAD_TASK(u32, task, OFF_TASK_SWITCHES) != call->switches;
#ifdef ARGUMENTS
	u32 result_file = 0;
	begin_files();
	if (rare(!from_start))
		take_arguments(call, ctx->args[0], traits);
	if (rare(traits->flags & MAKES_FILE && result >= 0))
		forget_file_at(result);
	if (result >= 0 &&
	    (traits->flags & RESULT_IS_DESCRIPTOR ||
	     (traits->flags & MAY_DUPLICATE && duplicates(call->argument[1])))) {
		forget_renamed_file_at(result);
		result_file = file_number_at(result);
	}
	struct pending_call pending = {.key = key, .now = now, .result = result, .result_file = result_file,
				       .flags = slept ? CALL_SLEPT : 0};
	if (has_memory(call, traits) && !hides_memory(traits, call)) {
		u32 zero = 0;
		pending_calls.update(&zero, &pending);
		continuations.call(ctx, CALL_MEMORY);
	}
	emit_call(call, &pending);
#else
	add_call(call, traits, result, now, slept, from_start);
#endif
release:
	request_release(entry, key);
#ifdef ARGUMENTS
	describe_files(ctx);
#endif
	return 0;
}

#ifdef ARGUMENTS
/* After sys_enter: lists the memory that the call will overwrite, and reads it. */
int call_memory_entry(struct bpf_raw_tracepoint_args *ctx)
{
	struct entry *entry = request_find(call_key((u32)bpf_get_current_pid_tgid()));
	struct memory_list *list = begin_list(0, KEPT_SLOTS);
	if (entry && list) {
		struct call *call = call_of(entry);
		const struct call_traits *traits = traits_of(call);
		if (traits) {
			list_capture(list, traits, 0, call, 0, 1);
			if (list->count) {
				continuations.call(ctx, READ_MEMORY);
				count(LOST_MEMORY);
			}
		}
	}
	describe_files(ctx);
	return 0;
}

int read_memory_entry(struct bpf_raw_tracepoint_args *ctx)
{
	u32 zero = 0;
	u64 key = call_key((u32)bpf_get_current_pid_tgid());
	struct kept_memory *fresh = (struct kept_memory *)scratch.lookup(&zero);
	struct memory_list *list = current_list();
	if (!fresh || !list)
		return 0;
	if (read_memory(fresh->slots, list))
		continuations.call(ctx, READ_MEMORY);
	fresh->used = list->used;
	if (kept.update(&key, (struct kept_bytes *)fresh))
		count(LOST_MEMORY);
	describe_files(ctx);
	return 0;
}

/* After sys_exit: begins the record and lists the memory that the call points to, and
 * reads it. */
int call_memory_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u32 zero = 0;
	struct pending_call *pending = pending_calls.lookup(&zero);
	struct entry *entry = pending ? request_claim(pending->key) : 0;
	if (!entry)
		return 0;
	struct call *call = call_of(entry);
	const struct call_traits *traits = traits_of(call);
	if (traits)
		begin_call_with_memory(call, traits, pending);
	request_release(entry, pending->key);
	continuations.call(ctx, READ_MEMORY);
	count(LOST_OPERATIONS);
	return 0;
}

int read_memory_exit(struct bpf_raw_tracepoint_args *ctx)
{
	u32 zero = 0;
	struct scratch *record = (struct scratch *)scratch.lookup(&zero);
	struct memory_list *list = current_list();
	if (!record || !list)
		return 0;
	if (read_memory(record->slots, list))
		continuations.call(ctx, READ_MEMORY);
	send(record, list->used);
	describe_files(ctx);
	return 0;
}
#endif
#endif
#endif
