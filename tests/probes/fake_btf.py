"""A kernel's type information written down by hand: the memory layout all tests here share.

`fields` fixes where the fake kernel structures keep their members. The same offsets
reach the C code, through the project's own `read_layout`, and the tests' fake memory.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.fakes import OPERATION_NAMES
from uringtrace.probes.btf import Btf, Field

_PLACED: dict[str, dict[str, tuple[int, int]]] = {
    "io_kiocb": {
        "file": (0, 8),
        "opcode": (8, 1),
        "flags": (16, 8),
        "cqe.user_data": (24, 8),
        "cqe.fd": (36, 4),
        "ctx": (40, 8),
        "comp_list": (48, 8),
        "work": (56, 8),
        "tctx": (64, 8),
        "apoll_events": (72, 4),
    },
    "io_uring_task": {"task": (0, 8)},
    # What an operation keeps in its request (io_cmd_data).
    "io_accept": {"file_slot": (80, 4)},
    "io_socket": {"file_slot": (84, 4)},
    "io_open": {"file_slot": (88, 4)},
    "io_sr_msg": {"flags": (92, 2)},
    "io_ring_ctx": {
        "flags": (0, 4),
        "sq_entries": (4, 4),
        "rings": (8, 8),
        "sq_array": (16, 8),
        "sq_sqes": (24, 8),
        "cached_sq_head": (32, 4),
        "cq_entries": (36, 4),
        "file_table.data.nr": (40, 4),
        "buf_table.nr": (44, 4),
        "sq_data": (48, 8),
        "submit_state.compl_reqs.first": (56, 8),
        "submit_state.link.head": (64, 8),
        "submit_state.link.last": (72, 8),
        "file_table.data.nodes": (80, 8),
    },
    "io_rings": {"sq.head": (0, 4), "cq.tail": (64, 4)},
    "io_sq_data": {"thread": (0, 8)},
    "io_rsrc_node": {"file_ptr": (0, 8)},
    "io_worker": {"cur_work": (0, 8)},
    "task_struct": {
        "tgid": (0, 4),
        "pid": (4, 4),
        "flags": (8, 4),
        "signal": (16, 8),
        "worker_private": (24, 8),
        "files": (32, 8),
        "thread_info.status": (40, 4),
        "nvcsw": (48, 8),
        "thread_pid": (56, 8),
        "group_leader": (64, 8),
    },
    "pid": {"level": (0, 4), "numbers": (8, 64)},
    "upid": {"nr": (0, 4), "ns": (8, 8)},
    "pid_namespace": {"ns.inum": (0, 4)},
    "pt_regs": {
        "di": (0, 8),
        "si": (8, 8),
        "dx": (16, 8),
        "r10": (24, 8),
        "r8": (32, 8),
        "r9": (40, 8),
        "orig_ax": (48, 8),
    },
    "signal_struct": {"live": (0, 4)},
    "files_struct": {"fdt": (0, 8)},
    "fdtable": {"max_fds": (0, 4), "fd": (8, 8)},
    "file": {"f_inode": (0, 8), "f_path.mnt": (8, 8), "f_path.dentry": (16, 8), "private_data": (24, 8)},
    "inode": {"i_ino": (0, 8), "i_mode": (8, 2), "i_generation": (12, 4), "i_sb": (16, 8)},
    "super_block": {"s_dev": (0, 4)},
    "dentry": {"d_parent": (0, 8), "d_name": (8, 16), "d_name.name": (16, 8)},
    "mount": {"mnt_parent": (0, 8), "mnt_mountpoint": (8, 8), "mnt": (16, 32)},
    "vfsmount": {"mnt_root": (0, 8)},
    "socket": {"sk": (0, 8)},
    "sock_common": {
        "skc_family": (0, 2),
        "skc_state": (2, 1),
        "skc_dport": (4, 2),
        "skc_num": (6, 2),
        "skc_daddr": (8, 4),
        "skc_rcv_saddr": (12, 4),
        "skc_v6_daddr": (16, 16),
        "skc_v6_rcv_saddr": (32, 16),
    },
    "sock": {"sk_type": (48, 2), "sk_protocol": (50, 2), "sk_socket": (72, 8)},
    "socket_alloc": {"vfs_inode": (64, 64)},
    "unix_sock": {"addr": (56, 8), "peer": (64, 8)},
    "unix_address": {"len": (0, 4), "name": (4, 110)},
}

FIELDS = {
    (struct, path): Field(*place) for struct, members in _PLACED.items() for path, place in members.items()
}

REQ_F_APOLL_MULTISHOT = 1 << 24
REQ_F_POLLED = 1 << 14
_REQUEST_BITS = {
    "REQ_F_FIXED_FILE_BIT": 0,
    "REQ_F_CQE_SKIP_BIT": 6,
    "REQ_F_POLLED_BIT": 14,
    "REQ_F_APOLL_MULTISHOT_BIT": 24,
    "REQ_F_MULTISHOT_BIT": 25,
}
OPCODE_ENUM = {f"IORING_OP_{name}": opcode for opcode, name in OPERATION_NAMES.items()}

_TASK = "task_struct *"
_COMMON = {
    "io_uring_create": ("int", "void *", "u32", "u32", "u32"),
    "io_uring_req_failed": ("io_uring_sqe *", "io_kiocb *", "int"),
    "io_uring_poll_arm": ("io_kiocb *", "int", "int"),
    "io_uring_queue_async_work": ("io_kiocb *", "int"),
    "io_uring_task_add": ("io_kiocb *", "int"),
    "io_uring_defer": ("io_kiocb *",),
    "io_uring_link": ("io_kiocb *", "io_kiocb *"),
    "io_uring_cqe_overflow": ("void *", "long long unsigned int", "s32", "u32", "void *"),
    "io_uring_register": ("void *", "unsigned int", "unsigned int", "unsigned int", "long int"),
    "sched_process_fork": (_TASK, _TASK),
    "sched_process_exit": (_TASK, "bool"),
    "sys_enter": ("pt_regs *", "long int"),
    "sys_exit": ("pt_regs *", "long int"),
    "sched_waking": (_TASK,),
    "softirq_entry": ("unsigned int",),
    "softirq_exit": ("unsigned int",),
    "hrtimer_expire_entry": ("hrtimer *", "ktime_t *"),
    "hrtimer_expire_exit": ("hrtimer *",),
    "irq_handler_entry": ("int", "irqaction *"),
    "irq_handler_exit": ("int", "irqaction *", "int"),
    "sk_data_ready": ("sock *",),
    "inet_sock_set_state": ("sock *", "int", "int"),
}
LINUX_6_17 = _COMMON | {
    "io_uring_submit_req": ("io_kiocb *",),
    "io_uring_complete": ("io_ring_ctx *", "void *", "io_uring_cqe *"),
}
LINUX_6_3 = _COMMON | {
    "io_uring_submit_req": ("io_kiocb *",),
    "io_uring_complete": ("void *", "void *", "u64", "int", "unsigned int", "u64", "u64"),
}
LINUX_6_1 = _COMMON | {
    "io_uring_submit_sqe": ("io_kiocb *", "bool"),
    "io_uring_complete": ("void *", "void *", "u64", "int", "unsigned int", "u64", "u64"),
}
LINUX_5_15 = {
    "io_uring_submit_sqe": ("void *", "void *", "u8", "u64", "u32", "bool", "bool"),
    "io_uring_complete": ("void *", "u64", "int", "unsigned int"),
    "io_uring_create": ("int", "void *", "u32", "u32", "u32"),
    "sched_process_fork": (_TASK, _TASK),
    "sched_process_exit": (_TASK,),
}
"""Requests were named by the address of their ring and by user_data."""
LINUX_5_10 = LINUX_5_15 | {
    "io_uring_submit_sqe": ("void *", "u8", "u64", "u32", "bool", "bool"),
    "io_uring_complete": ("void *", "u64", "long int"),
}


class FakeBtf(Btf):
    """Answers the lookups of `Btf` from tables."""

    def __init__(
        self,
        tracepoints: Mapping[str, tuple[str, ...]] = LINUX_6_17,
        *,
        fields: Mapping[tuple[str, str], Field] = FIELDS,
        opcodes: Mapping[str, int] = OPCODE_ENUM,
        opcodes_named: bool = True,
    ) -> None:
        self._tracepoints = tracepoints
        self._fields = fields
        self._opcodes = dict(opcodes)
        self._opcodes_named = opcodes_named

    def field(self, struct: str, path: str) -> Field | None:
        return self._fields.get((struct, path))

    def enum(self, name: str) -> dict[str, int] | None:
        return self._opcodes if name == "io_uring_op" and self._opcodes_named else None

    def enumerators(self, prefix: str, containing: str) -> dict[str, int]:
        for values in (_REQUEST_BITS, {} if self._opcodes_named else self._opcodes):
            if containing in values:
                return {name: value for name, value in values.items() if name.startswith(prefix)}
        return {}

    def tracepoint(self, name: str) -> tuple[str, ...] | None:
        return self._tracepoints.get(name)

    def tracepoint_id(self, name: str) -> int | None:
        return 1000 + sorted(self._tracepoints).index(name) if name in self._tracepoints else None
