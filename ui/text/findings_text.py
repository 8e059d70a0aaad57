"""A diagnosis as text: each finding with its evidence, then what was judged and what could not be."""

from __future__ import annotations

from collections.abc import Iterable

from uringtrace.tracer.findings import Architecture, Diagnosed, Finding, Severity, State, Subject
from uringtrace.tracer.source import Context
from uringtrace.ui.terminal.safe import printable
from uringtrace.ui.text import numbers
from uringtrace.ui.text.style import Style
from uringtrace.ui.text.summary_table import counted, loss_line, wrapped

_LABEL = 9


def findings_lines(diagnosed: Diagnosed, style: Style) -> list[str]:
    """The findings, worst first; below them what the other rules came to, and the losses."""
    lines = [style.heading(_heading(diagnosed)), ""]
    for finding in diagnosed.findings:
        lines += [*finding_lines(finding, diagnosed.context, style), ""]
    lines += [*architecture_lines(diagnosed.architecture, style), ""]
    clear = [verdict.tag for verdict in diagnosed.verdicts if verdict.state is State.CLEAR]
    lines += _listed(f"nothing found by {counted(len(clear), 'rule')} that could judge", clear)
    missing = [verdict for verdict in diagnosed.verdicts if verdict.state is State.NOT_APPLICABLE]
    if missing:
        lines.append("not applicable:")
        for verdict in missing:
            lines += wrapped(f"{verdict.tag}: needs {verdict.missing}".split(" "), "  ")
    evicted = [verdict for verdict in diagnosed.verdicts if verdict.evicted]
    for verdict in evicted:
        lines.append(
            f"{verdict.tag}: {numbers.count(verdict.evicted)} observations were given up to bound memory"
        )
    return [*lines, loss_line(diagnosed.losses, style)]


def finding_lines(finding: Finding, context: Context, style: Style) -> list[str]:
    """One finding in lines of at most 80 columns where its words allow."""
    word = finding.severity.word.upper()
    marked = style.alarm(word) if finding.severity > Severity.INFO else word
    lines = [f"{marked}  {style.heading(printable(finding.title))}"]
    lines += _part("what", [f"{finding.tag}, confidence {finding.confidence}"])
    lines += _part("where", [subject_text(finding.subject)])
    lines += _part("seen", [evidence.text for evidence in finding.evidence])
    lines += _part("why", [finding.why])
    lines += _part("change", [finding.advice])
    if finding.window is not None:
        start, end = finding.window.since(context.started_ns)
        lines += _part("when", [f"{start:.3f} s to {end:.3f} s of the capture"])
    return lines


def architecture_lines(architecture: Architecture, style: Style) -> list[str]:
    """What kind of server it is, and what decided that."""
    lines = [f"architecture: {style.heading(architecture.word)}"]
    if architecture.kind is None:
        return lines + wrapped(f"needs {architecture.missing}".split(" "), "  ")
    lines[0] += f", confidence {architecture.confidence}"
    for each in architecture.observations:
        lines += wrapped(each.text.split(" "), "  ")
    return lines


def subject_text(subject: Subject) -> str:
    """`thread 17 "worker" of process 4, fd 5 <TCP …>, ring 1`; a dash where nothing is known."""
    parts = []
    if subject.tid is not None:
        name = f' "{subject.thread}"' if subject.thread else ""
        of = f" of process {subject.tgid}" if subject.tgid is not None else ""
        parts.append(f"thread {subject.tid}{name}{of}")
    elif subject.tgid is not None:
        parts.append(f"process {subject.tgid}")
    file = f"<{subject.file}>" if subject.file else ""
    if subject.fd is not None:
        parts.append(f"fd {subject.fd} {file}".rstrip())
    elif file:
        parts.append(file)
    if subject.ring is not None:
        parts.append(f"ring {subject.ring}")
    if subject.connection is not None:
        parts.append(f"connection {subject.connection}")
    return ", ".join(parts) or numbers.UNKNOWN


def _heading(diagnosed: Diagnosed) -> str:
    target = printable(diagnosed.context.target)
    found = counted(len(diagnosed.findings), "finding")
    looked = (
        f"{counted(diagnosed.operations, 'io_uring completion')}, {counted(diagnosed.calls, 'system call')}"
    )
    return f"{target}: {found} in {numbers.seconds(diagnosed.duration_ns / 1e9)} ({looked})"


def _part(label: str, texts: Iterable[str]) -> list[str]:
    lines: list[str] = []
    for text in texts:
        lines += wrapped(printable(text).split(" "), " " * (_LABEL + 2))
    lines[0] = f"  {label:<{_LABEL}}{lines[0].lstrip()}"
    return lines


def _listed(what: str, tags: list[str]) -> list[str]:
    return wrapped(f"{what}: {', '.join(tags)}".split(" "), "") if tags else [what]
