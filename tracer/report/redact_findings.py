"""Findings without what they name: addresses, paths and names get the pseudonyms of their report.

Sentences of rules name what a subject names, addresses and paths, and those are looked for by their
form as well. Invariant: numbers, tags, and the words of the rules stay.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from uringtrace.tracer.findings import Diagnosed, Evidence, Finding, Subject, Verdict
from uringtrace.tracer.redaction import Pseudonyms

_ADDRESS = re.compile(r"(?:\[[0-9a-fA-F:.%]+\]|\d{1,3}(?:\.\d{1,3}){3}):\d+")
_PATH = re.compile(r"(?<![\w/])/[^\s<>,;]+")
_PAIR = re.compile(r"(\S+)->(\S+)")


def redacted_findings(diagnosed: Diagnosed, names: Pseudonyms) -> Diagnosed:
    """The same with pseudonyms."""
    context = names.context(diagnosed.context)
    known = _known((finding.subject for finding in diagnosed.findings), names)

    def sentence(text: str) -> str:
        for secret, pseudonym in known:
            text = text.replace(secret, pseudonym)
        text = _ADDRESS.sub(lambda match: names.address(match[0]), text)
        return _PATH.sub(lambda match: names.path(match[0]), text)

    verdicts = tuple(_verdict(verdict, names, sentence) for verdict in diagnosed.verdicts)
    architecture = replace(
        diagnosed.architecture, observations=_evidence(diagnosed.architecture.observations, sentence)
    )
    return replace(diagnosed, context=context, verdicts=verdicts, architecture=architecture)


def _known(subjects: Iterable[Subject], names: Pseudonyms) -> list[tuple[str, str]]:
    """What subjects name, with its pseudonym; the longest first, of which another may be a part."""
    found: dict[str, str] = {}
    for subject in subjects:
        if subject.file:
            found[subject.file] = _file(subject.file, names)
        # A shorter name may be any word of a sentence.
        if subject.thread and len(subject.thread) > 2:
            found[subject.thread] = names.name(subject.thread)
    return sorted(found.items(), key=lambda each: -len(each[0]))


def _file(text: str, names: Pseudonyms) -> str:
    """A description, or both addresses of a connection."""
    pair = _PAIR.fullmatch(text)
    if pair is not None:
        return f"{names.address(pair[1])}->{names.address(pair[2])}"
    return names.description(text)


def _verdict(verdict: Verdict, names: Pseudonyms, sentence: Callable[[str], str]) -> Verdict:
    return replace(
        verdict,
        findings=tuple(_finding(finding, names, sentence) for finding in verdict.findings),
    )


def _finding(finding: Finding, names: Pseudonyms, sentence: Callable[[str], str]) -> Finding:
    subject = finding.subject
    return replace(
        finding,
        title=sentence(finding.title),
        subject=replace(
            subject,
            thread=names.name(subject.thread),
            file=None if subject.file is None else _file(subject.file, names),
        ),
        evidence=_evidence(finding.evidence, sentence),
    )


def _evidence(observed: Iterable[Evidence], sentence: Callable[[str], str]) -> tuple[Evidence, ...]:
    return tuple(
        Evidence(
            sentence(each.text),
            {
                name: sentence(value) if isinstance(value, str) else value
                for name, value in each.values.items()
            },
        )
        for each in observed
    )
