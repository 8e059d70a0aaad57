/* SPDX-License-Identifier: MIT OR GPL-2.0-only
 *
 * What an operation's file is: sent once per file as a fact, then named by a number.
 *
 * A struct file is reused by the kernel, so a known file is recognised by its address,
 * its inode's number and generation (file systems reuse the numbers) and, for sockets,
 * its addresses; a connect() makes a new fact.
 */
#pragma once
#include "common.h"
#include "facts.h"

#define PATH_PARTS 24
#define PATH_SIZE 512
#define NAME_SIZE 256 /* NAME_MAX and its NUL */

struct file_fact {
	u32 type, file;
	u64 inode;
	u32 device, path_length;
	u16 mode, family, socket_type, protocol;
	u16 local_port, remote_port;
	u8 truncated, socket_state, reserved[2];
	u8 local[16], remote[16];
	char path[PATH_SIZE + NAME_SIZE]; /* names from the leaf to the root, each ended by NUL */
};

struct socket_identity {
	u32 remote, local;
	u16 remote_port, local_port, family;
	u8 state, reserved;
};

struct seen_file {
	u64 inode;
	struct socket_identity socket;
	u32 file, generation;
};

BPF_TABLE("lru_hash", u64, struct seen_file, seen_files, 16384);
BPF_ARRAY(file_numbers, u64, 1);
OPAQUE(file_fact_bytes, file_fact);
BPF_PERCPU_ARRAY(path_scratch, struct file_fact_bytes, 1);

/* The names from a file's dentry up to the root, crossing mounts as the kernel's
 * d_path does (fs/d_path.c, prepend_path). */
static __always_inline void file_path(struct file_fact *fact, u64 file)
{
	u64 mount = LOAD_PROBED(u64, file, OFF_FILE_MNT) - OFF_MOUNT_MNT;
	u64 dentry = LOAD_PROBED(u64, file, OFF_FILE_DENTRY);
	u32 used = 0;
	/* An eventfd or memfd has a name that hangs nowhere (fs/dcache.c, d_alloc_pseudo). */
	if (LOAD_PROBED(u64, dentry, OFF_DENTRY_PARENT) == dentry &&
	    LOAD_PROBED(u64, mount, OFF_MOUNT_MNT + OFF_VFSMOUNT_ROOT) != dentry) {
		u64 name = LOAD_PROBED(u64, dentry, OFF_DENTRY_NAME);
		long length = bpf_probe_read_kernel_str(fact->path, NAME_SIZE, (void *)name);
		fact->path_length = length > 0 ? length : 0;
		return;
	}
	for (int i = 0; i < PATH_PARTS && used < PATH_SIZE; i++) {
		/* The same range in every turn, whatever way the last one went: so the verifier
		 * need not follow each combination of turns. */
		asm volatile("%0 &= 1023" : "+r"(used));
		u64 parent = LOAD_PROBED(u64, dentry, OFF_DENTRY_PARENT);
		u64 root = LOAD_PROBED(u64, mount, OFF_MOUNT_MNT + OFF_VFSMOUNT_ROOT);
		if (dentry == root || dentry == parent) {
			u64 mount_parent = LOAD_PROBED(u64, mount, OFF_MOUNT_PARENT);
			if (!mount_parent || mount_parent == mount) {
				fact->path_length = used;
				return;
			}
			dentry = LOAD_PROBED(u64, mount, OFF_MOUNT_POINT);
			mount = mount_parent;
			continue;
		}
		u64 name = LOAD_PROBED(u64, dentry, OFF_DENTRY_NAME);
		u32 at = used;
		asm volatile("%0 &= 511" : "+r"(at)); /* PATH_SIZE - 1, where the verifier sees it */
		long length = bpf_probe_read_kernel_str(&fact->path[at], NAME_SIZE, (void *)name);
		if (length <= 0)
			break;
		used += length;
		dentry = parent;
	}
	fact->path_length = used;
	fact->truncated = 1;
}

static __always_inline void socket_addresses(struct file_fact *fact, u64 sock)
{
	fact->socket_type = LOAD_PROBED(u16, sock, OFF_SOCK_TYPE);
	fact->protocol = LOAD_PROBED(u16, sock, OFF_SOCK_PROTOCOL);
	if (fact->family == 2 /* AF_INET */) {
		bpf_probe_read_kernel(fact->local, 4, (void *)(sock + OFF_SOCK_LOCAL));
		bpf_probe_read_kernel(fact->remote, 4, (void *)(sock + OFF_SOCK_REMOTE));
	} else if (fact->family == 10 /* AF_INET6 */) {
		bpf_probe_read_kernel(fact->local, 16, (void *)(sock + OFF_SOCK_LOCAL6));
		bpf_probe_read_kernel(fact->remote, 16, (void *)(sock + OFF_SOCK_REMOTE6));
	} else if (fact->family == 1 /* AF_UNIX */) {
		u64 address = LOAD_PROBED(u64, sock, OFF_UNIX_ADDRESS);
		u32 length = address ? LOAD_PROBED(u32, address, OFF_UNIX_ADDRESS_LENGTH) : 0;
		if (length > 2 && length <= 110) {
			bpf_probe_read_kernel(fact->path, 108, (void *)(address + OFF_UNIX_ADDRESS_NAME + 2));
			fact->path_length = length - 2;
		}
	}
}

/* A file to describe after the completion has been emitted. Walking its path needs more
 * instructions than the verifier grants to one program, so it is a program of its own,
 * reached by a tail call. */
struct new_file {
	u64 file, inode, sock;
	struct socket_identity socket;
	u32 number, mode;
};

BPF_PERCPU_ARRAY(new_files, struct new_file, 1);
BPF_PROG_ARRAY(file_programs, 1);

/* The number of the file that a request works on, 0 when it has none. For a file that
 * was not seen before, *is_new is set and new_files describes it. */
static __always_inline u32 file_of(u64 req, int *is_new)
{
	u64 file = LOAD_PROBED(u64, req, OFF_REQ_FILE);
	if (!file)
		return 0;
	u64 inode = LOAD_PROBED(u64, file, OFF_FILE_INODE);
	u64 inode_number = LOAD_PROBED(u64, inode, OFF_INODE_NUMBER);
	u16 mode = LOAD_PROBED(u16, inode, OFF_INODE_MODE);
	u32 generation = 0;
#ifdef OFF_INODE_GENERATION
	generation = LOAD_PROBED(u32, inode, OFF_INODE_GENERATION);
#endif
	struct socket_identity socket = {};
	u64 sock = 0;
	if ((mode & 0170000) == 0140000 /* S_IFSOCK */) {
		sock = LOAD_PROBED(u64, LOAD_PROBED(u64, file, OFF_FILE_PRIVATE), OFF_SOCKET_SK);
		socket.family = LOAD_PROBED(u16, sock, OFF_SOCK_FAMILY);
		if (socket.family == 2 || socket.family == 10) {
			socket.state = LOAD_PROBED(u8, sock, OFF_SOCK_STATE);
			socket.remote = LOAD_PROBED(u32, sock, OFF_SOCK_REMOTE);
			socket.local = LOAD_PROBED(u32, sock, OFF_SOCK_LOCAL);
			socket.remote_port = LOAD_PROBED(u16, sock, OFF_SOCK_REMOTE_PORT);
			socket.local_port = LOAD_PROBED(u16, sock, OFF_SOCK_LOCAL_PORT);
		}
	}
	struct seen_file *seen = seen_files.lookup(&file);
	/* A socket whose peer is gone has lost its addresses: the fact that had them stands. */
	if (seen && seen->inode == inode_number && seen->generation == generation &&
	    ((seen->socket.remote == socket.remote && seen->socket.remote_port == socket.remote_port &&
	      seen->socket.local_port == socket.local_port) ||
	     (!socket.remote_port && seen->socket.remote_port)))
		return seen->file;
	u32 zero = 0;
	struct new_file *new = new_files.lookup(&zero);
	if (!new)
		return 0;
	struct seen_file fresh = {.inode = inode_number, .socket = socket, .file = take_number(file_numbers.lookup(&zero)),
				  .generation = generation};
	seen_files.update(&file, &fresh);
	new->file = file;
	new->inode = inode;
	new->sock = sock;
	new->socket = socket;
	new->number = fresh.file;
	new->mode = mode;
	*is_new = 1;
	return fresh.file;
}

int describe_file(struct bpf_raw_tracepoint_args *ctx)
{
	u32 zero = 0;
	struct new_file *new = new_files.lookup(&zero);
	struct file_fact *fact = (struct file_fact *)path_scratch.lookup(&zero);
	if (!new || !fact)
		return 0;
	u64 inode = new->inode;
	fact->type = FACT_FILE;
	fact->file = new->number;
	fact->inode = LOAD_PROBED(u64, inode, OFF_INODE_NUMBER);
	fact->device = LOAD_PROBED(u32, LOAD_PROBED(u64, inode, OFF_INODE_SB), OFF_SB_DEVICE);
	fact->mode = new->mode;
	fact->family = new->socket.family;
	fact->local_port = new->socket.local_port;
	fact->remote_port = new->socket.remote_port;
	fact->socket_state = new->socket.state;
	fact->socket_type = 0;
	fact->protocol = 0;
	fact->path_length = 0;
	fact->truncated = 0;
	if (new->sock)
		socket_addresses(fact, new->sock);
	else
		file_path(fact, new->file);
	if (facts.ringbuf_output(fact, sizeof(*fact), BPF_RB_NO_WAKEUP))
		count(LOST_FACTS);
	return 0;
}
