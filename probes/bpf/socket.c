/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What happens to the target's sockets outside of its calls: data or a connection that
 * arrives, and changes of a TCP socket's state.
 *
 * A socket is the target's once an operation on it has been seen; file.h lists those. The
 * kernel uses the memory of a struct sock again, so an entry counts only while the inode
 * is the same.
 */
#include "emit.h"
#include "interrupt.h"

#ifdef ARGUMENTS

enum socket_event { SOCKET_ARRIVAL = 1, SOCKET_STATE = 2 };
#define TCP_CLOSED 7 /* TCP_CLOSE, include/net/tcp_states.h */

static __always_inline void emit_socket_event(u32 file, u8 event, u8 before, u8 after)
{
	struct socket_event_slot *slot = operations.ringbuf_reserve(sizeof(*slot));
	if (!slot) {
		count(LOST_OPERATIONS);
		return;
	}
	__builtin_memset(slot, 0, sizeof(*slot));
	slot->kind = KIND_SOCKET_EVENT;
	slot->event = event;
	slot->before = before;
	slot->after = after;
	slot->file = file;
	slot->ns = bpf_ktime_get_ns();
	operations.ringbuf_submit(slot, BPF_RB_NO_WAKEUP);
}

/* The kernel does not run a program on a processor that is within it already, and the
 * network may interrupt a probe with hundreds of packets. So each probe here is attached
 * twice, and what the kernel skips for the first its twin takes, which runs after it.
 * Within the network's softirq, and outside of it, events follow each other: `taken` tells
 * the twin that the probe ran for this one. While a twin runs outside, those within are the
 * probe's alone, and what they leave in `taken` goes. */
enum probe { PROBE_READY, PROBE_STATE, PROBES };

struct taken {
	u8 outside[PROBES], within[PROBES];
};

BPF_PERCPU_ARRAY(taken, struct taken, 1);

static __always_inline struct taken *taken_here(void)
{
	u32 zero = 0;
	return taken.lookup(&zero);
}

static __always_inline int in_softirq(void)
{
	struct interrupts *here = interrupts_here();
	return here && here->softirq;
}

static __always_inline void take(u32 probe)
{
	struct taken *taken = taken_here();
	if (!taken)
		return;
	if (in_softirq())
		taken->within[probe] = 1;
	else
		taken->outside[probe] = 1;
}

static __always_inline int left_to_twin(u32 probe)
{
	struct taken *taken = taken_here();
	if (!taken)
		return 0;
	int within = in_softirq();
	int left = within ? !taken->within[probe] : !taken->outside[probe];
	taken->within[probe] = 0;
	if (!within)
		taken->outside[probe] = 0;
	if (left)
		count(TWIN_EVENTS);
	return left;
}

#ifdef READY_SOCK
static __always_inline void ready(struct bpf_raw_tracepoint_args *ctx)
{
	u64 sock = number(ctx->args[READY_SOCK]);
	struct watched_socket *known = watched.lookup(&sock);
	if (usual(!known))
		return;
#if defined(OFF_SOCK_SOCKET) && defined(OFF_SOCKET_INODE)
	u64 socket = LOAD_PROBED(u64, sock, OFF_SOCK_SOCKET);
	if (!socket || LOAD_PROBED(u64, socket, OFF_SOCKET_INODE + OFF_INODE_NUMBER) != known->inode)
		return;
#endif
	emit_socket_event(known->file, SOCKET_ARRIVAL, 0, 0);
}

int sk_data_ready(struct bpf_raw_tracepoint_args *ctx)
{
	ready(ctx);
	take(PROBE_READY);
	return 0;
}

int sk_data_ready_twin(struct bpf_raw_tracepoint_args *ctx)
{
	if (rare(left_to_twin(PROBE_READY)))
		ready(ctx);
	return 0;
}
#endif

#ifdef STATE_SOCK
static __always_inline void change(struct bpf_raw_tracepoint_args *ctx)
{
	u64 sock = number(ctx->args[STATE_SOCK]);
	struct watched_socket *known = watched.lookup(&sock);
	if (usual(!known))
		return;
	u8 after = ctx->args[STATE_AFTER];
	emit_socket_event(known->file, SOCKET_STATE, ctx->args[STATE_BEFORE], after);
	if (after == TCP_CLOSED)
		watched.delete(&sock);
}

int inet_sock_set_state(struct bpf_raw_tracepoint_args *ctx)
{
	change(ctx);
	take(PROBE_STATE);
	return 0;
}

int inet_sock_set_state_twin(struct bpf_raw_tracepoint_args *ctx)
{
	if (rare(left_to_twin(PROBE_STATE)))
		change(ctx);
	return 0;
}
#endif
#endif
