"""Threads of a fake kernel that make system calls: they fire what the kernel would, in its order."""

from __future__ import annotations

from collections.abc import Sequence

from tests.probes.engine import Engine
from uringtrace.probes.slots import CALL_TRAITS
from uringtrace.tracer.syscalls.traits import call_traits

_TASKS_AT = 0x10000
_TASK_STRIDE = 0x400
_REGISTERS_AT = 0x200
_MEMORY_AT = 0x60000
_FILES_AT = 0x40000
MACHINE = "x86_64"
TGID = 700


class Threads:
    """The threads of one process; `make` runs a call from entry to exit."""

    def __init__(self, engine: Engine) -> None:
        engine.reset()
        self.engine = engine
        self.now_ns = 1_000_000
        self._places: dict[int, int] = {}
        self._memory = engine.base + _MEMORY_AT
        self._files = engine.base + _FILES_AT
        self.traits = call_traits(MACHINE)
        engine.table("call_traits").view(CALL_TRAITS)[:] = self.traits

    def tick(self, nanoseconds: int = 1000) -> int:
        self.now_ns += nanoseconds
        self.engine.set(clock_ns=self.now_ns)
        return self.now_ns

    def run(self, tid: int) -> int:
        """Put the thread on the processor; returns the address of its task."""
        place = self._places.setdefault(tid, len(self._places))
        task = self.engine.base + _TASKS_AT + place * _TASK_STRIDE
        self.engine.write("task_struct", task, tgid=TGID, pid=tid)
        self.engine.set(current_task=task, current_pid_tgid=TGID << 32 | tid)
        return task

    def enter(self, tid: int, number: int, *arguments: int) -> int:
        """Fire sys_enter; returns when."""
        registers = self._registers(self.run(tid), number, arguments)
        when = self.tick()
        self.engine.fire("sys_enter", registers, number)
        return when

    def leave(self, tid: int, result: int, number: int = -1) -> int:
        """Fire sys_exit; `number` only where the registers were not set by `enter`."""
        task = self.run(tid)
        if number >= 0:
            self._registers(task, number, ())
        when = self.tick()
        self.engine.fire("sys_exit", task + _REGISTERS_AT, result)
        return when

    def make(self, tid: int, number: int, *arguments: int, result: int = 0) -> tuple[int, int]:
        """One call; returns when it began and ended."""
        return self.enter(tid, number, *arguments), self.leave(tid, result)

    def sleep(self, tid: int) -> None:
        """The thread gives up its processor and gets it back."""
        task = self.run(tid)
        self.engine.put(task + 48, 8, self.engine.get(task + 48, 8) + 1)

    def wake(self, sleeper: int, by: int) -> int:
        """What `by` does, or the interrupt that it runs in, makes `sleeper` runnable; returns when."""
        wakee = self.run(sleeper)
        self.run(by)
        when = self.tick()
        self.engine.fire("sched_waking", wakee)
        return when

    def end(self, tid: int) -> int:
        task = self.run(tid)
        when = self.tick()
        self.engine.fire("sched_process_exit", task)
        return when

    def memory(self, data: bytes) -> int:
        """Put data into the target's memory; returns its address."""
        address = self._memory
        self._memory += (len(data) + 63) & ~63
        self.engine.write_bytes(address, data)
        return address

    def open(self, tid: int, fd: int, mode: int, inode: int, private: int = 0) -> int:
        """Give the thread's task a descriptor, of at most 16; returns the file's address."""
        task = self.run(tid)
        table = self.engine.base + _FILES_AT + 0x8000
        self.engine.write("task_struct", task, files=table)
        self.engine.write("files_struct", table, fdt=table + 64)
        self.engine.write("fdtable", table + 64, max_fds=16, fd=table + 128)
        file, node = self._files, self._files + 64
        self._files += 128
        self.engine.write("inode", node, i_ino=inode, i_mode=mode)
        self.engine.write("file", file, f_inode=node, private_data=private)
        self.engine.put(table + 128 + fd * 8, 8, file)
        return file

    def close(self, fd: int) -> None:
        self.engine.put(self.engine.base + _FILES_AT + 0x8000 + 128 + fd * 8, 8, 0)

    def _registers(self, task: int, number: int, arguments: Sequence[int]) -> int:
        registers = task + _REGISTERS_AT
        values = dict(zip(("di", "si", "dx", "r10", "r8", "r9"), arguments, strict=False))
        self.engine.write("pt_regs", registers, orig_ax=number, **values)
        return registers
