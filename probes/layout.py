"""Where the running kernel keeps what the probes read: BTF lookups as -D constants.

A constant whose path this kernel does not have is simply not defined; the C code then
leaves out the feature, and `Layout.missing` names what is lost. Without one of `IO_URING`
operations on rings are lost, and only `REQUIRED` paths make capture impossible.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from uringtrace.errors import CapabilityError
from uringtrace.probes.btf import Btf, Field

IO_URING: Mapping[str, tuple[tuple[str, str], ...]] = {
    "OFF_REQ_OPCODE": (("io_kiocb", "opcode"),),
    "OFF_REQ_FLAGS": (("io_kiocb", "flags"),),
    "OFF_REQ_USER_DATA": (("io_kiocb", "cqe.user_data"), ("io_kiocb", "user_data")),
    "OFF_REQ_FD": (("io_kiocb", "cqe.fd"), ("io_kiocb", "fd")),
    "OFF_REQ_CTX": (("io_kiocb", "ctx"),),
    "OFF_REQ_FILE": (("io_kiocb", "file"),),
    "OFF_CTX_FLAGS": (("io_ring_ctx", "flags"),),
    "OFF_CTX_RINGS": (("io_ring_ctx", "rings"),),
    "OFF_CTX_SQ_ENTRIES": (("io_ring_ctx", "sq_entries"),),
    "OFF_CTX_CACHED_SQ_HEAD": (("io_ring_ctx", "cached_sq_head"),),
    "OFF_CTX_SQ_ARRAY": (("io_ring_ctx", "sq_array"),),
    "OFF_CTX_SQ_SQES": (("io_ring_ctx", "sq_sqes"),),
    "OFF_RINGS_SQ_HEAD": (("io_rings", "sq.head"),),
    "OFF_RINGS_CQ_TAIL": (("io_rings", "cq.tail"),),
}
"""Constant → paths to try, in order. Without one of these there are no io_uring operations."""

REQUIRED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "OFF_TASK_TGID": (("task_struct", "tgid"),),
    "OFF_TASK_SIGNAL": (("task_struct", "signal"),),
    "OFF_SIGNAL_LIVE": (("signal_struct", "live"),),
    "OFF_FILE_INODE": (("file", "f_inode"),),
    "OFF_FILE_MNT": (("file", "f_path.mnt"),),
    "OFF_FILE_DENTRY": (("file", "f_path.dentry"),),
    "OFF_INODE_NUMBER": (("inode", "i_ino"),),
    "OFF_INODE_MODE": (("inode", "i_mode"),),
    "OFF_INODE_SB": (("inode", "i_sb"),),
    "OFF_SB_DEVICE": (("super_block", "s_dev"),),
    "OFF_DENTRY_PARENT": (("dentry", "d_parent"),),
    "OFF_DENTRY_NAME": (("dentry", "d_name.name"),),
    "OFF_DENTRY_HASH": (("dentry", "d_name"),),
    "OFF_MOUNT_MNT": (("mount", "mnt"),),
    "OFF_MOUNT_PARENT": (("mount", "mnt_parent"),),
    "OFF_MOUNT_POINT": (("mount", "mnt_mountpoint"),),
    "OFF_VFSMOUNT_ROOT": (("vfsmount", "mnt_root"),),
    "OFF_FILE_PRIVATE": (("file", "private_data"),),
    "OFF_SOCKET_SK": (("socket", "sk"),),
    "OFF_SOCK_FAMILY": (("sock_common", "skc_family"),),
    "OFF_SOCK_STATE": (("sock_common", "skc_state"),),
    "OFF_SOCK_REMOTE": (("sock_common", "skc_daddr"),),
    "OFF_SOCK_LOCAL": (("sock_common", "skc_rcv_saddr"),),
    "OFF_SOCK_REMOTE6": (("sock_common", "skc_v6_daddr"),),
    "OFF_SOCK_LOCAL6": (("sock_common", "skc_v6_rcv_saddr"),),
    "OFF_SOCK_REMOTE_PORT": (("sock_common", "skc_dport"),),
    "OFF_SOCK_LOCAL_PORT": (("sock_common", "skc_num"),),
    "OFF_SOCK_TYPE": (("sock", "sk_type"),),
    "OFF_SOCK_PROTOCOL": (("sock", "sk_protocol"),),
    "OFF_UNIX_ADDRESS": (("unix_sock", "addr"),),
    "OFF_UNIX_ADDRESS_LENGTH": (("unix_address", "len"),),
    "OFF_UNIX_ADDRESS_NAME": (("unix_address", "name"),),
}
"""Constant → paths to try, in order. Without one of these nothing is captured."""

_BEFORE = "operations begun before the capture"
_NEW_BEFORE = "what operations begun before the capture opened or accepted"

OPTIONAL: Mapping[str, tuple[tuple[tuple[str, str], ...], str]] = {
    "OFF_CTX_CQ_ENTRIES": ((("io_ring_ctx", "cq_entries"),), "sizes of rings created before attach"),
    "OFF_CTX_FILES": (
        (("io_ring_ctx", "file_table.data.nr"), ("io_ring_ctx", "nr_user_files")),
        "registered files of rings created before attach",
    ),
    "OFF_CTX_BUFFERS": (
        (("io_ring_ctx", "buf_table.nr"), ("io_ring_ctx", "nr_user_bufs")),
        "registered buffers of rings created before attach",
    ),
    "OFF_CTX_SQ_DATA": ((("io_ring_ctx", "sq_data"),), "the SQPOLL thread of a ring"),
    "OFF_SQ_DATA_THREAD": ((("io_sq_data", "thread"),), "the SQPOLL thread of a ring"),
    "OFF_TASK_PID": ((("task_struct", "pid"),), "the SQPOLL thread of a ring"),
    "OFF_CTX_FINISHED": (
        (("io_ring_ctx", "submit_state.compl_reqs.first"),),
        "which operation an overflowed completion belongs to",
    ),
    "OFF_REQ_LIST": (
        (("io_kiocb", "comp_list"),),
        "which operation an overflowed completion belongs to",
    ),
    "OFF_INODE_GENERATION": (
        (("inode", "i_generation"),),
        "telling a file from a removed one with the same inode number",
    ),
    "OFF_CTX_LINK_HEAD": (
        (("io_ring_ctx", "submit_state.link.head"),),
        "the chain of an operation that was refused",
    ),
    "OFF_CTX_LINK_LAST": (
        (("io_ring_ctx", "submit_state.link.last"),),
        "the chain of an operation that was refused",
    ),
    "OFF_REQ_TASK": ((("io_kiocb", "task"),), _BEFORE),
    "OFF_REQ_TCTX": ((("io_kiocb", "tctx"),), _BEFORE),
    "OFF_TCTX_TASK": ((("io_uring_task", "task"),), _BEFORE),
    "OFF_REQ_POLL_EVENTS": (
        (("io_kiocb", "apoll_events"),),
        "multishot polls begun before the capture",
    ),
    "OFF_SEND_FLAGS": ((("io_sr_msg", "flags"),), "bundled sends begun before the capture"),
    "OFF_ACCEPT_SLOT": ((("io_accept", "file_slot"),), _NEW_BEFORE),
    "OFF_SOCKET_SLOT": ((("io_socket", "file_slot"),), _NEW_BEFORE),
    "OFF_OPEN_SLOT": ((("io_open", "file_slot"),), _NEW_BEFORE),
    "OFF_REQ_WORK": ((("io_kiocb", "work"),), "overflowed completions of worker threads"),
    "OFF_TASK_WORKER": ((("task_struct", "worker_private"),), "overflowed completions of worker threads"),
    "OFF_WORKER_WORK": ((("io_worker", "cur_work"),), "overflowed completions of worker threads"),
    "OFF_TASK_FLAGS": ((("task_struct", "flags"),), "overflowed completions of worker threads"),
    "OFF_TASK_FILES": ((("task_struct", "files"),), "descriptors of rings created before attach"),
    "OFF_FILES_FDT": ((("files_struct", "fdt"),), "descriptors of rings created before attach"),
    "OFF_FDT_FD": ((("fdtable", "fd"),), "descriptors of rings created before attach"),
    "OFF_FDT_MAX": ((("fdtable", "max_fds"),), "descriptors of rings created before attach"),
    "OFF_CTX_FILE_NODES": (
        (("io_ring_ctx", "file_table.data.nodes"),),
        "connections accepted into direct descriptors",
    ),
    "OFF_NODE_FILE": ((("io_rsrc_node", "file_ptr"),), "connections accepted into direct descriptors"),
    "OFF_CTX_FIXED_FILES": (
        (("io_ring_ctx", "file_table.files"),),
        "connections accepted into direct descriptors",
    ),
    "OFF_UNIX_PEER": ((("unix_sock", "peer"),), "the name of a unix socket's peer"),
    "OFF_SOCK_SOCKET": ((("sock", "sk_socket"),), "telling a new socket at the address of an old one"),
    "OFF_SOCKET_INODE": (
        (("socket_alloc", "vfs_inode"),),
        "telling a new socket at the address of an old one",
    ),
}
"""Constant → paths to try, and what is lost without it."""

ALTERNATIVES = (
    (frozenset({"OFF_CTX_FILE_NODES", "OFF_NODE_FILE"}), frozenset({"OFF_CTX_FIXED_FILES"})),
    (frozenset({"OFF_REQ_TASK"}), frozenset({"OFF_REQ_TCTX", "OFF_TCTX_TASK"})),
)
"""For each feature with several ways to it, these ways: with all of one set a kernel lacks nothing."""

CALLS: tuple[Mapping[str, tuple[str, str]], ...] = (
    {
        "OFF_REGS_ARG0": ("pt_regs", "di"),
        "OFF_REGS_ARG1": ("pt_regs", "si"),
        "OFF_REGS_ARG2": ("pt_regs", "dx"),
        "OFF_REGS_ARG3": ("pt_regs", "r10"),
        "OFF_REGS_ARG4": ("pt_regs", "r8"),
        "OFF_REGS_ARG5": ("pt_regs", "r9"),
        "OFF_REGS_NUMBER": ("pt_regs", "orig_ax"),
        "OFF_TASK_STATUS": ("task_struct", "thread_info.status"),
        "OFF_TASK_SWITCHES": ("task_struct", "nvcsw"),
        "OFF_TASK_PID": ("task_struct", "pid"),
    },
)
"""Where system calls keep their arguments, one set for each processor that is supported (syscall(2)):
so far x86-64. All of one set are needed."""

NAMESPACE: Mapping[str, tuple[str, str]] = {
    "OFF_TASK_THREAD_PID": ("task_struct", "thread_pid"),
    "OFF_TASK_LEADER": ("task_struct", "group_leader"),
    "OFF_PID_LEVEL": ("pid", "level"),
    "OFF_PID_NUMBERS": ("pid", "numbers"),
    "OFF_UPID_NUMBER": ("upid", "nr"),
    "OFF_UPID_NAMESPACE": ("upid", "ns"),
    "OFF_NAMESPACE_INODE": ("pid_namespace", "ns.inum"),
}
"""Where a task keeps its ids in each pid namespace that it is in."""

_GIVES_TASK = "BPF_FUNC_get_current_task_btf"
"""Of enum bpf_func_id, include/uapi/linux/bpf.h."""

BYTE_OPERATIONS = frozenset(
    {
        "READ",
        "WRITE",
        "READV",
        "WRITEV",
        "READ_FIXED",
        "WRITE_FIXED",
        "READV_FIXED",
        "WRITEV_FIXED",
        "READ_MULTISHOT",
        "SEND",
        "RECV",
        "SENDMSG",
        "RECVMSG",
        "SEND_ZC",
        "SENDMSG_ZC",
        "RECV_ZC",
        "SPLICE",
        "TEE",
    }
)
"""Operations whose positive result is a number of bytes (io_uring_enter(2))."""

BYTE_CALLS = frozenset(
    {
        "read",
        "write",
        "pread64",
        "pwrite64",
        "readv",
        "writev",
        "preadv",
        "pwritev",
        "preadv2",
        "pwritev2",
        "sendto",
        "recvfrom",
        "sendmsg",
        "recvmsg",
        "sendfile",
        "splice",
        "tee",
        "vmsplice",
        "copy_file_range",
    }
)
"""System calls whose positive result is a number of bytes moved."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What the C code is compiled with, and what this kernel's lack of costs."""

    constants: Mapping[str, str]
    operation_names: Mapping[int, str]
    """opcode → name without IORING_OP_."""
    missing: tuple[str, ...]
    """Features lost because this kernel has no such field."""
    lacks_io_uring: str
    """Why operations on rings cannot be captured; empty where they can, as far as fields go."""
    has_calls: bool
    """System calls can be captured."""
    has_namespaces: bool
    """Process ids of a pid namespace can be told."""


def _find(btf: Btf, paths: tuple[tuple[str, str], ...]) -> Field | None:
    return next((field for struct, path in paths if (field := btf.field(struct, path))), None)


def _opcodes(btf: Btf) -> dict[int, str]:
    enumerators = btf.enum("io_uring_op") or btf.enumerators("IORING_OP_", containing="IORING_OP_NOP")
    return {
        value: name.removeprefix("IORING_OP_")
        for name, value in enumerators.items()
        if name.startswith("IORING_OP_") and name != "IORING_OP_LAST"
    }


def _opcode_constants(names: Mapping[int, str]) -> dict[str, str]:
    by_name = {name: opcode for opcode, name in names.items()}
    mask = sum(1 << opcode for opcode, name in names.items() if name in BYTE_OPERATIONS)
    low, high = mask & (1 << 64) - 1, mask >> 64
    test = f"((op) < 64 ? {low}ULL >> ((op) & 63) : {high}ULL >> ((op) & 63)) & 1"
    wanted = (
        *("NOP", "POLL_ADD", "POLL_REMOVE", "TIMEOUT", "URING_CMD", "SEND", "SEND_ZC", "SENDMSG_ZC"),
        *("ACCEPT", "SOCKET", "OPENAT", "OPENAT2", "SPLICE", "TEE"),
    )
    return {
        "OPCODES": str(max(names, default=0) + 2),
        "BYTE_OPCODES(op)": f"({test})",
        **{f"OP_{name}": str(by_name.get(name, 256)) for name in wanted},
    }


def _request_bits(btf: Btf, *names: str) -> str:
    bits = btf.enumerators("REQ_F_", containing="REQ_F_FIXED_FILE_BIT")
    return f"{sum(1 << bits[name] for name in names if name in bits)}ULL"


def _take_all(btf: Btf, wanted: Mapping[str, tuple[str, str]], constants: dict[str, str]) -> bool:
    """Add the offsets of all fields, or of none when this kernel lacks one."""
    fields = {name: btf.field(struct, path) for name, (struct, path) in wanted.items()}
    offsets = {name: str(field.offset) for name, field in fields.items() if field is not None}
    if len(offsets) < len(wanted):
        return False
    constants |= offsets
    return True


def read_layout(btf: Btf) -> Layout:
    """All constants of this kernel; raises `CapabilityError` when a required one is missing."""
    constants: dict[str, str] = {}
    for name, paths in REQUIRED.items():
        field = _find(btf, paths)
        if field is None:
            struct, path = paths[0]
            raise CapabilityError(
                f"this kernel differs from every known one: no field {path} in struct {struct}",
                "please report it together with the output of `uringtrace check`",
            )
        constants[name] = str(field.offset)
    names = _opcodes(btf)
    lacks_io_uring = "" if names else "this kernel has no io_uring (CONFIG_IO_URING)"
    for name, paths in IO_URING.items():
        field = _find(btf, paths)
        if field is None:
            struct, path = paths[0]
            lacks_io_uring = lacks_io_uring or f"this kernel has no field {path} in struct {struct}"
            continue
        constants[name] = str(field.offset)
        if name == "OFF_REQ_FLAGS":
            constants["REQ_FLAGS_TYPE"] = "u64" if field.size == 8 else "u32"
    lacking: dict[str, str] = {}
    for name, (paths, cost) in OPTIONAL.items():
        field = _find(btf, paths)
        if field is None:
            lacking[name] = cost
        else:
            constants[name] = str(field.offset)
            if name == "OFF_SEND_FLAGS":
                constants["SEND_FLAGS_TYPE"] = f"u{8 * field.size}"
    for ways in ALTERNATIVES:
        if any(not way & lacking.keys() for way in ways):
            lacking = {name: cost for name, cost in lacking.items() if not any(name in way for way in ways)}
    missing = list(lacking.values())
    has_calls = any(_take_all(btf, wanted, constants) for wanted in CALLS)
    if not has_calls:
        missing.append("system calls")
    has_namespaces = _take_all(btf, NAMESPACE, constants)
    constants |= _opcode_constants(names)
    constants["REQ_POSTS_MANY"] = _request_bits(btf, "REQ_F_APOLL_MULTISHOT_BIT", "REQ_F_MULTISHOT_BIT")
    constants["REQ_POLLED"] = _request_bits(btf, "REQ_F_POLLED_BIT")
    if _GIVES_TASK in (btf.enum("bpf_func_id") or ()):
        constants["TYPED_TASK"] = "1"
    return Layout(constants, names, tuple(dict.fromkeys(missing)), lacks_io_uring, has_calls, has_namespaces)
