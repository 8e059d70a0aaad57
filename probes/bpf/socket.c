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

#ifdef READY_SOCK
int sk_data_ready(struct bpf_raw_tracepoint_args *ctx)
{
	u64 sock = number(ctx->args[READY_SOCK]);
	struct watched_socket *known = watched.lookup(&sock);
	if (usual(!known))
		return 0;
#if defined(OFF_SOCK_SOCKET) && defined(OFF_SOCKET_INODE)
	u64 socket = LOAD_PROBED(u64, sock, OFF_SOCK_SOCKET);
	if (!socket || LOAD_PROBED(u64, socket, OFF_SOCKET_INODE + OFF_INODE_NUMBER) != known->inode)
		return 0;
#endif
	emit_socket_event(known->file, SOCKET_ARRIVAL, 0, 0);
	return 0;
}
#endif

#ifdef STATE_SOCK
int inet_sock_set_state(struct bpf_raw_tracepoint_args *ctx)
{
	u64 sock = number(ctx->args[STATE_SOCK]);
	struct watched_socket *known = watched.lookup(&sock);
	if (usual(!known))
		return 0;
	u8 after = ctx->args[STATE_AFTER];
	emit_socket_event(known->file, SOCKET_STATE, ctx->args[STATE_BEFORE], after);
	if (after == TCP_CLOSED)
		watched.delete(&sock);
	return 0;
}
#endif
#endif
