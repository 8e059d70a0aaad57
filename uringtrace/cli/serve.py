"""`uringtrace serve NAME`: run one reference server until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
from pathlib import Path

from uringtrace.errors import EXIT_OK, UsageError
from uringtrace.targets.catalogue import ARCHITECTURES, FAULTS
from uringtrace.targets.serving import Options, documents, run


class ServeCommand:
    """The command; standard output holds two JSON lines, one at the start and one at the end."""

    name = "serve"
    summary = "run a reference server"
    group = "Reference servers"
    epilog = (
        "prints one JSON line when it listens and one, the ground truth, when it ends\n\n"
        "examples:\n"
        "  uringtrace serve epoll --mode edge --port 8080\n"
        "  uringtrace serve uring --fault one-by-one\n"
        "  uringtrace targets              the list of servers, modes and faults"
    )

    def configure(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("server", metavar="NAME", help="one of: " + ", ".join(ARCHITECTURES))
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
        parser.add_argument("--port", type=_port, default=0, help="0, the default: the kernel chooses")
        parser.add_argument("--workers", type=_workers, default=2, help="threads or processes (default: 2)")
        parser.add_argument("--mode", help="a variant of the architecture (uringtrace targets)")
        parser.add_argument("--herd", action="store_true", help="the same as --mode herd")
        parser.add_argument("--fault", help="misbehave: " + ", ".join(FAULTS))
        parser.add_argument("--files", type=Path, metavar="DIR", help="what /file/NAME serves")
        parser.add_argument(
            "--handshake",
            choices=("pyopenssl", "minimal"),
            default="pyopenssl",
            help="uring-ktls: who makes the TLS handshake; minimal is a demonstration",
        )

    def run(self, arguments: argparse.Namespace) -> int:
        architecture = ARCHITECTURES.get(arguments.server)
        if architecture is None:
            raise UsageError(f"no reference server is called {arguments.server}", "see: uringtrace targets")
        if arguments.herd and arguments.mode not in (None, "herd"):
            raise UsageError(f"--herd and --mode {arguments.mode} exclude each other")
        with documents(arguments.files) as folder:
            run(
                architecture,
                Options(
                    documents=folder,
                    host=arguments.host,
                    port=arguments.port,
                    workers=arguments.workers,
                    mode="herd" if arguments.herd else arguments.mode,
                    fault=arguments.fault,
                    handshake=arguments.handshake,
                ),
            )
        return EXIT_OK


def _port(text: str) -> int:
    return _whole_number(text, "a port", 0, 65535)


def _workers(text: str) -> int:
    return _whole_number(text, "a number of workers", 1, 256)


def _whole_number(text: str, what: str, least: int, most: int) -> int:
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}: {least} to {most}")
    return int(text)
