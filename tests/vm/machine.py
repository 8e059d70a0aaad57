"""Runs a command in a virtual machine with another kernel, on this machine's files.

`python -m tests.vm.machine DIRECTORY COMMAND…`, where DIRECTORY is what fetch-kernel.sh
unpacked. The machine sees the files of this one, at the same paths; what it writes is gone with
it, but for the folder /exchange. It has no network but its loopback, and the processor is
emulated (10 to 20 times slower), so that it runs wherever QEMU does: function is checked there,
never speed.
"""

from __future__ import annotations

import lzma
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent


def kernels_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where kernels are unpacked, a folder for each: outside of the repository, so that a fresh
    clone fetches none again."""
    base = environment.get("XDG_CACHE_HOME")
    if not base:
        base = "/var/cache" if os.geteuid() == 0 else str(Path.home() / ".cache")
    return Path(base) / "uringtrace/kernels"


_MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
"""Needed to reach this machine's files; all others are loaded from there."""
PROCESSORS = 2
BOOTS = 3
"""Of one run, when the machine stands still in the others."""
STILL_SECONDS = 30.0
_LEAST_SHARE = 0.002
"""Of a processor, in a machine that only waits."""
_TOOLS = ("qemu-system-x86_64", "busybox", "cpio", "modprobe", "depmod")


def why_no_machine() -> str:
    """What is missing to run any virtual machine; empty when nothing is."""
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=_PATH) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel package as fetch-kernel.sh unpacks it."""

    directory: Path

    @property
    def name(self) -> str:
        """As fetch-kernel.sh names it."""
        return self.directory.name

    @property
    def version(self) -> str:
        return self.modules.name

    @property
    def version_numbers(self) -> tuple[int, int]:
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def modules(self) -> Path:
        (modules,) = (self.directory / "lib/modules").iterdir()
        return modules

    @property
    def image(self) -> Path:
        """Beside the modules in newer packages."""
        places = (self.directory / f"boot/vmlinuz-{self.version}", self.modules / "vmlinuz")
        return next(place for place in places if place.exists())


def fetched_kernel(name: str) -> Kernel | None:
    """The kernel that was unpacked under this name, or None."""
    directory = kernels_folder() / name
    return Kernel(directory) if (directory / "complete").exists() else None


def run(
    kernel: Kernel, command: Sequence[str], *, seconds: float, exchange: Path
) -> subprocess.CompletedProcess[bytes]:
    """Boot, run `command` in the repository as root, power off; its output and status.

    `exchange` is a folder that the machine sees as /exchange; compiled probes in its folder
    `probes` (tests/vm/prepared.py) need not be compiled there. Raises subprocess.TimeoutExpired
    after `seconds`, and RuntimeError with the console's last lines when the machine ends
    without having run the command. A machine that stands still is booted again.
    """
    _script(
        exchange / "command",
        f"""#!/bin/bash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
unset PYTHONDONTWRITEBYTECODE
ulimit -n 65536  # the first process has far fewer than any service
ip link set lo up
if [ -d /exchange/probes ]; then
    install -d -m 700 /var/cache/uringtrace
    install -m 600 /exchange/probes/*.json /var/cache/uringtrace
fi
cd {shlex.quote(str(REPOSITORY))} && {shlex.join(command)}
""",
    )
    with TemporaryDirectory() as directory:
        initrd = Path(directory) / "initrd"
        initrd.write_bytes(_initrd(kernel))
        boot = ("-kernel", str(kernel.image), "-initrd", str(initrd), "-append", _ARGUMENTS)
        files = (*_files("root", Path("/"), "readonly=on"), *_files("exchange", exchange))
        for boots_left in reversed(range(BOOTS)):
            console = _until_off([*_QEMU, *boot, *files], seconds)
            if console is not None or not boots_left:
                break
    status = exchange / "status"
    if not status.exists():
        last = b"\n".join((console or b"it stood still").splitlines()[-20:])
        raise RuntimeError(f"the machine ran no command:\n{last.decode(errors='replace')}")
    output, errors = ((exchange / name).read_bytes() for name in ("output", "errors"))
    return subprocess.CompletedProcess(list(command), int(status.read_text()), output, errors)


def _until_off(machine: Sequence[str], seconds: float) -> bytes | None:
    """Let a machine run to its end: its console, or None when it stood still and was ended.

    QEMU 7.2 may lose what should wake an emulated processor (seen with kernel 7.3): all of
    them then sleep for good, while a machine that merely waits still has its timers.
    """
    environment = {**os.environ, "PATH": _PATH}
    output = subprocess.PIPE
    with subprocess.Popen(
        machine, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
    ) as process:
        try:
            used, deadline = 0.0, time.monotonic() + seconds
            while True:
                try:
                    return process.communicate(timeout=STILL_SECONDS)[0]
                except subprocess.TimeoutExpired:
                    if time.monotonic() >= deadline:
                        raise
                before, used = used, sum(psutil.Process(process.pid).cpu_times()[:2])
                if used - before < STILL_SECONDS * _LEAST_SHARE:
                    return None
        finally:
            process.kill()


# One thread for all processors: with a thread for each, QEMU may run an instruction that another
# processor's kernel has just patched (an int3 of its static branches: "Oops: int3"), and it is no
# faster beside other work.
_QEMU = (
    *(
        "qemu-system-x86_64",
        "-accel",
        "tcg,thread=single",
        "-cpu",
        "max",
        "-smp",
        str(PROCESSORS),
        "-m",
        "4G",
    ),
    *("-nographic", "-no-reboot", "-nic", "none"),
)
_ARGUMENTS = "console=ttyS0 quiet panic=-1"


def _files(tag: str, path: Path, *options: str) -> tuple[str, ...]:
    shared = ("local", f"path={path}", f"mount_tag={tag}", "security_model=none", "multidevs=remap")
    return ("-virtfs", ",".join((*shared, *options)))


def _initrd(kernel: Kernel) -> bytes:
    """The archive that the kernel starts from: busybox, `init`, the modules for 9p."""
    with TemporaryDirectory() as directory:
        root = Path(directory)
        for name in ("bin", "modules", "proc", "sys", "dev", "lower", "upper", "machine"):
            (root / name).mkdir()
        shutil.copy(shutil.which("busybox", path=_PATH) or "busybox", root / "bin/busybox")
        _script(root / "init", (HERE / "init").read_text())
        order = []
        for file in _with_dependencies(kernel):
            name = file.name.split(".")[0] + ".ko"
            (root / "modules" / name).write_bytes(_unpacked(file))
            order.append(name)
        (root / "modules/order").write_text("".join(f"{name}\n" for name in order))
        # The kernel runs this when a module is wanted: the machine's own modprobe reads all formats.
        arguments = f"-d {shlex.quote(str(kernel.directory))} -S {kernel.version}"
        loader = f'exec /bin/busybox chroot /machine /sbin/modprobe {arguments} "$@"'
        _script(root / "modprobe", f"#!/bin/busybox sh\n{loader}\n")
        names = "".join(f"{path.relative_to(root)}\n" for path in sorted(root.rglob("*")))
        archive = ["cpio", "--create", "--format=newc", "--quiet"]
        return subprocess.run(archive, cwd=root, input=names.encode(), capture_output=True, check=True).stdout


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _with_dependencies(kernel: Kernel) -> Iterator[Path]:
    """The files of the modules that are needed first, each after those it needs."""
    place = ("-d", str(kernel.directory), "-S", kernel.version)
    seen = set()
    for module in _MODULES:
        command = ["modprobe", *place, "--show-depends", module]
        environment = {**os.environ, "PATH": _PATH}
        # modprobe finds none where the driver is built in.
        shown = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        for line in shown.stdout.splitlines():
            kind, file = line.split()[:2]
            if kind == "insmod" and file not in seen:
                seen.add(file)
                yield Path(file)


def _unpacked(module: Path) -> bytes:
    if module.suffix == ".xz":
        return lzma.decompress(module.read_bytes())
    if module.suffix == ".zst":
        return subprocess.run(["zstd", "-dqc", str(module)], capture_output=True, check=True).stdout
    return module.read_bytes()


def main(arguments: Sequence[str]) -> int:
    directory, *command = arguments
    with TemporaryDirectory() as exchange:
        done = run(Kernel(Path(directory).resolve()), command, seconds=600, exchange=Path(exchange))
    sys.stdout.buffer.write(done.stdout)
    sys.stderr.buffer.write(done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
