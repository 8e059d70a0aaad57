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

#define LISTENING 10 /* TCP_LISTEN, include/net/tcp_states.h */
#define FILE_LIMIT 131072
#define PATH_PARTS 24
#define PATH_SIZE 512
#define PATH_NOWHERE 2 /* file_fact.truncated: the one name hangs nowhere */
#define NAME_SIZE 256 /* NAME_MAX and its NUL */

struct file_fact {
	u32 type, file;
	u64 inode;
	u32 device, path_length;
	u16 mode, family, socket_type, protocol;
	u16 local_port, remote_port;
	u8 truncated, socket_state, of_peer, connected;
	u8 local[16], remote[16];
	char path[PATH_SIZE + NAME_SIZE]; /* names from the leaf to the root, each ended by NUL */
};

#define SOCKET_FACT_SIZE (__builtin_offsetof(struct file_fact, path) + 112)

struct socket_identity {
	u32 remote, local;
	u16 remote_port, local_port, family;
	u8 state, reserved;
};

struct seen_file {
	u64 inode;
	struct socket_identity socket;
	u32 file, generation, settled, name;
};

BPF_TABLE("lru_hash", u64, struct seen_file, seen_files, FILE_LIMIT);
NUMBERS(file_numbers);
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
		fact->truncated = PATH_NOWHERE;
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
#ifdef OFF_UNIX_PEER
		/* The side that connects seldom has a name: its peer's tells what it is. */
		u64 peer = LOAD_PROBED(u64, sock, OFF_UNIX_PEER);
		if (!address && peer) {
			address = LOAD_PROBED(u64, peer, OFF_UNIX_ADDRESS);
			fact->of_peer = 1;
		}
#endif
		u32 length = address ? LOAD_PROBED(u32, address, OFF_UNIX_ADDRESS_LENGTH) : 0;
		if (length > 2 && length <= 110) {
			bpf_probe_read_kernel(fact->path, 108, (void *)(address + OFF_UNIX_ADDRESS_NAME + 2));
			fact->path_length = length - 2;
		}
	}
}

/* A file to describe when the probe has done the rest. Walking its path needs more
 * instructions than the verifier grants to one program, so it is a program of its own,
 * reached by a tail call, which calls itself until all are described. */
struct new_file {
	u64 file, inode, sock;
	struct socket_identity socket;
	u32 number, mode;
};

#define NEW_FILES 4 /* a call names at most three files */
struct new_files {
	u32 count, reserved;
	struct new_file file[NEW_FILES];
};

OPAQUE(new_files_bytes, new_files);
BPF_PERCPU_ARRAY(new_files, struct new_files_bytes, 1);
/* What a probe goes on with. User space makes one such array for each tracepoint: the
 * kernel lets programs of one tracepoint only call each other. */
enum continuation { DESCRIBE_FILE = 0, CALL_MEMORY = 1, READ_MEMORY = 2, CONTINUATIONS = 3 };
BPF_PROG_ARRAY(continuations, CONTINUATIONS);

/* Sockets of the target by the address of their struct sock, for the probes of socket.c. */
struct watched_socket {
	u64 inode;
	u32 file, reserved;
};

BPF_TABLE("lru_hash", u64, struct watched_socket, watched, FILE_LIMIT);

static __always_inline void begin_files(void)
{
	u32 zero = 0;
	struct new_files *new = (struct new_files *)new_files.lookup(&zero);
	if (new)
		new->count = 0;
}

static __always_inline int files_to_describe(void)
{
	u32 zero = 0;
	struct new_files *new = (struct new_files *)new_files.lookup(&zero);
	return new && new->count;
}

/* Whether a socket is still what it was. One whose peer is gone has lost its addresses:
 * the fact that had them stands. */
static __always_inline int same_socket(const struct socket_identity *seen, const struct socket_identity *now)
{
	if ((seen->state == LISTENING) != (now->state == LISTENING))
		return 0;
	if (!now->remote_port && seen->remote_port)
		return 1;
	return seen->remote == now->remote && seen->remote_port == now->remote_port &&
	       seen->local_port == now->local_port;
}

static __always_inline int is_socket(u16 mode) { return (mode & 0170000) == 0140000; /* S_IFSOCK */ }

#define NAME_PARTS 4
/* What tells a file's name, and those of the folders it is in, from others: each dentry and
 * its name's length and hash, which a rename changes (struct qstr, include/linux/dcache.h). */
static __always_inline u32 name_of(u64 file)
{
	u64 dentry = LOAD_PROBED(u64, file, OFF_FILE_DENTRY), name = 0;
#pragma unroll
	for (int i = 0; i < NAME_PARTS; i++) {
		name = name * 31 + dentry + LOAD_PROBED(u64, dentry, OFF_DENTRY_HASH);
		dentry = LOAD_PROBED(u64, dentry, OFF_DENTRY_PARENT);
	}
	return name ^ name >> 32;
}

/* The number of a file. One that was not seen before is left in new_files. */
static __always_inline u32 file_number(u64 file)
{
	u64 inode = LOAD_PROBED(u64, file, OFF_FILE_INODE);
	u64 inode_number = LOAD_PROBED(u64, inode, OFF_INODE_NUMBER);
	u16 mode = LOAD_PROBED(u16, inode, OFF_INODE_MODE);
	u32 generation = 0;
#ifdef OFF_INODE_GENERATION
	generation = LOAD_PROBED(u32, inode, OFF_INODE_GENERATION);
#endif
	struct seen_file *seen = seen_files.lookup(&file);
	int known = seen && seen->inode == inode_number && seen->generation == generation;
	/* A TCP socket that has a peer keeps its addresses. */
	if (usual(known && (!is_socket(mode) || seen->settled)))
		return seen->file;
	struct socket_identity socket = {};
	u64 sock = 0;
	u32 settled = 0;
	if (is_socket(mode)) {
		sock = LOAD_PROBED(u64, LOAD_PROBED(u64, file, OFF_FILE_PRIVATE), OFF_SOCKET_SK);
		socket.family = LOAD_PROBED(u16, sock, OFF_SOCK_FAMILY);
		socket.state = LOAD_PROBED(u8, sock, OFF_SOCK_STATE);
		if (socket.family == 2 || socket.family == 10) {
			socket.remote = LOAD_PROBED(u32, sock, OFF_SOCK_REMOTE);
			socket.local = LOAD_PROBED(u32, sock, OFF_SOCK_LOCAL);
			socket.remote_port = LOAD_PROBED(u16, sock, OFF_SOCK_REMOTE_PORT);
			socket.local_port = LOAD_PROBED(u16, sock, OFF_SOCK_LOCAL_PORT);
			settled = socket.remote_port && LOAD_PROBED(u16, sock, OFF_SOCK_PROTOCOL) == 6 /* TCP */;
		}
#ifdef OFF_UNIX_PEER
		if (socket.family == 1)
			socket.remote_port = LOAD_PROBED(u64, sock, OFF_UNIX_PEER) != 0;
#endif
	}
	if (known && same_socket(&seen->socket, &socket))
		return seen->file;
	u32 zero = 0;
	struct new_files *pending = (struct new_files *)new_files.lookup(&zero);
	if (!pending)
		return 0;
	u32 place = pending->count;
	if (place >= NEW_FILES)
		return 0;
	pending->count = place + 1;
	asm volatile("%0 &= 3" : "+r"(place)); /* NEW_FILES - 1 */
	struct new_file *new = &pending->file[place];
	struct seen_file fresh = {.inode = inode_number, .socket = socket, .file = take_number(file_numbers.lookup(&zero)),
				  .generation = generation, .settled = settled, .name = name_of(file)};
	seen_files.update(&file, &fresh);
	new->file = file;
	new->inode = inode;
	new->sock = sock;
	new->socket = socket;
	new->number = fresh.file;
	new->mode = mode;
	if (sock) {
		struct watched_socket socket_now = {.inode = inode_number, .file = fresh.file};
		watched.update(&sock, &socket_now);
	}
	return fresh.file;
}

static __always_inline u32 number_of(u64 file) { return file ? file_number(file) : 0; }

#ifdef IO_URING
/* The number of the file that a request works on, 0 when it has none. */
static __always_inline u32 file_of(u64 req)
{
	return number_of(LOAD_PROBED(u64, req, OFF_REQ_FILE));
}
#endif

/* The file behind a descriptor of the current task, or 0. */
static __always_inline u64 file_at(s32 fd)
{
#if defined(OFF_TASK_FILES) && defined(OFF_FILES_FDT) && defined(OFF_FDT_FD) && defined(OFF_FDT_MAX)
	u64 table = LOAD_TASK(u64, LOAD_TASK(u64, task_now(), OFF_TASK_FILES), OFF_FILES_FDT);
	if (fd < 0 || fd >= LOAD_TASK(u32, table, OFF_FDT_MAX))
		return 0;
	return LOAD_PROBED(u64, number(LOAD_TASK(u64, table, OFF_FDT_FD)), (u64)fd * 8);
#else
	return 0;
#endif
}

/* A file without an inode of its own is like an earlier one at the same address. */
static __always_inline void forget_file_at(s32 fd)
{
	u64 file = file_at(fd);
	seen_files.delete(&file);
}

/* A file that was opened may have the struct of one that is closed, and its inode, but
 * another name. */
static __always_inline void forget_renamed_file_at(s32 fd)
{
	u64 file = file_at(fd);
	struct seen_file *seen = seen_files.lookup(&file);
	if (seen && seen->name != name_of(file))
		seen_files.delete(&file);
}

static __always_inline u32 file_number_at(s32 fd)
{
	return number_of(file_at(fd));
}

int describe_file(struct bpf_raw_tracepoint_args *ctx)
{
	u32 zero = 0;
	struct new_files *pending = (struct new_files *)new_files.lookup(&zero);
	struct file_fact *fact = (struct file_fact *)path_scratch.lookup(&zero);
	if (!pending || !fact)
		return 0;
	u32 place = pending->count - 1;
	if (place >= NEW_FILES)
		return 0;
	pending->count = place;
	struct new_file *new = &pending->file[place];
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
	fact->of_peer = 0;
	fact->connected = new->socket.remote_port != 0;
	if (new->sock)
		socket_addresses(fact, new->sock);
	else
		file_path(fact, new->file);
	/* Sockets come in thousands: of the room for a path only a unix address is sent. */
	if (new->sock ? facts.ringbuf_output(fact, SOCKET_FACT_SIZE, BPF_RB_NO_WAKEUP) :
			facts.ringbuf_output(fact, sizeof(*fact), BPF_RB_NO_WAKEUP))
		count(LOST_FACTS);
	if (place)
		continuations.call(ctx, DESCRIBE_FILE);
	return 0;
}
