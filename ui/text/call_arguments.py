"""The text between the parentheses of a system call's line.

For each call its signature is turned once into a list of steps, one for each argument in
the order of a line; a row then costs one function call per step. A step may answer "" to
leave its argument out. Some calls mean their arguments differently from one operation to
the next: those are in `call_variants`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from uringtrace.tracer.syscalls.signature import Parameter, Signature, ValueForm
from uringtrace.tracer.syscalls.signatures import signature_of
from uringtrace.ui.text.call_decoding import decoder
from uringtrace.ui.text.call_memory import ARGUMENTS, Decode, Memories
from uringtrace.ui.text.call_scalars import SCALARS, Show, named, protocol, socket_option
from uringtrace.ui.text.call_structures import creates, device_number, octal
from uringtrace.ui.text.call_values import pointer, signed32, text
from uringtrace.ui.text.call_variants import VARIANTS
from uringtrace.ui.text.operation_arguments import FIELDS, Row

_FILE, _SECOND_FILE, _RESULT = FIELDS["file"], FIELDS["second_file"], FIELDS["result"]
_FD, _HAS_ARGUMENTS = FIELDS["fd"], FIELDS["has_arguments"]
_AT_FDCWD = -100

DescriptorText: TypeAlias = Callable[[int, int], str]
"""Descriptor and file to `7<TCP …>`."""
Step: TypeAlias = tuple[int, Show]

_WRITTEN = frozenset(
    {
        ValueForm.RECEIVED_PAYLOAD,
        ValueForm.RETURNED_STRING,
        ValueForm.RETURNED_ADDRESS,
        ValueForm.RECEIVED_MESSAGE,
        ValueForm.RECEIVED_VECTORS,
        ValueForm.DESCRIPTOR_PAIR,
        ValueForm.EPOLL_EVENTS,
        ValueForm.RETURNED_TIME,
        ValueForm.REMAINING_TIME,
        ValueForm.RETURNED_MICROSECONDS_TIME,
        ValueForm.RETURNED_TIMER,
        ValueForm.RETURNED_MICROSECONDS_TIMER,
        ValueForm.RETURNED_SIGNAL_SET,
        ValueForm.RETURNED_LIMIT,
        ValueForm.FILE_STATUS,
        ValueForm.RETURNED_OPTION_VALUE,
        ValueForm.WAIT_STATUS,
        ValueForm.RING_PARAMETERS,
    }
)
"""What a call delivers: the line of one that has not returned ends before it, as strace's does."""


class CallArguments:
    """Remembers the steps of each call."""

    def __init__(self, operation_names: Mapping[int, str], descriptor: DescriptorText) -> None:
        self._names = operation_names
        self._descriptor = descriptor
        self._steps: dict[int, list[Step]] = {}
        self._known: dict[int, int] = {}

    def text(self, opcode: int, row: Row, memory: Memories) -> str:
        """All arguments; `…` stands for what was not captured."""
        if not row[_HAS_ARGUMENTS]:
            return self._descriptor_only(opcode, row)
        parts = [show(row[field], row, memory) for field, show in self._steps_of(opcode)]
        return ", ".join([part for part in parts if part])

    def until_output(self, opcode: int, row: Row, memory: Memories) -> str:
        """Those that are known while the call has not returned."""
        if not row[_HAS_ARGUMENTS]:
            return self._descriptor_only(opcode, row)
        steps = self._steps_of(opcode)
        known = self._known[opcode]
        parts = [show(row[field], row, memory) for field, show in steps[:known]]
        return ", ".join([part for part in parts if part]) + (", " if 0 < known < len(steps) else " ")

    def first(self, opcode: int, value: int, file: int) -> str:
        """The first argument alone, of a call of which nothing else is known."""
        parameters = signature_of(self._names.get(opcode, "")).parameters
        if not parameters:
            return ""
        form = parameters[0].form
        if form is ValueForm.DESCRIPTOR:
            return self._descriptor(signed32(value), file)
        show = SCALARS.get(form)
        return show(value, (), {}) if show else pointer(value)

    def _descriptor_only(self, opcode: int, row: Row) -> str:
        parameters = signature_of(self._names.get(opcode, "")).parameters
        if parameters and parameters[0].form is ValueForm.DESCRIPTOR and row[_FD] >= 0:
            return f"{self._descriptor(row[_FD], row[_FILE])}, …"
        return "…" if parameters else ""

    def _steps_of(self, opcode: int) -> list[Step]:
        steps = self._steps.get(opcode)
        if steps is None:
            name = self._names.get(opcode, "")
            signature = signature_of(name)
            steps = [
                (field, self._show(signature, number))
                for number, field in enumerate(ARGUMENTS[: len(signature.parameters)])
            ]
            forms = [each.form for each in signature.parameters]
            self._known[opcode] = next(
                (number for number, form in enumerate(forms) if form in _WRITTEN), len(steps)
            )
            variant = VARIANTS.get(name)
            if variant is not None:
                whole = variant([show for _, show in steps])
                steps = [(ARGUMENTS[0], lambda value, row, memory: whole(row, memory))]
                self._known[opcode] = 1
            self._steps[opcode] = steps
        return steps

    def _show(self, signature: Signature, number: int) -> Show:
        parameter = signature.parameters[number]
        form = parameter.form
        if form is ValueForm.DESCRIPTOR or form is ValueForm.DIRECTORY:
            return self._show_descriptor(signature, number)
        decode = decoder(signature, number)
        if decode is not None:
            return _decoded(decode, form)
        return _by_form(parameter, number)

    def _show_descriptor(self, signature: Signature, number: int) -> Show:
        descriptor = self._descriptor
        forms = [each.form for each in signature.parameters[:number]]
        before = sum(form in (ValueForm.DESCRIPTOR, ValueForm.DIRECTORY) for form in forms)
        file = (_FILE, _SECOND_FILE)[before] if before < 2 else None
        directory = signature.parameters[number].form is ValueForm.DIRECTORY

        def show(value: int, row: Row, memory: Memories) -> str:
            fd = signed32(value)
            if directory and fd == _AT_FDCWD:
                return "AT_FDCWD"
            return descriptor(fd, row[file] if file is not None else 0)

        return show


def _decoded(decode: Decode, form: ValueForm) -> Show:
    otherwise = SCALARS.get(form)

    def show(value: int, row: Row, memory: Memories) -> str:
        if not value:
            return "NULL"
        found = decode(row, memory)
        if found is not None:
            return text(found)
        return otherwise(value, row, memory) if otherwise else f"{value:#x}"

    return show


def _by_form(parameter: Parameter, number: int) -> Show:
    form = parameter.form
    if form is ValueForm.NAMED:
        if parameter.names == "protocol":
            return protocol
        return named(parameter.names)
    if form is ValueForm.OPTION:
        return socket_option
    make = _PLACED.get(form)
    return make(number) if make else SCALARS[form]


def _creation_mode(number: int) -> Show:
    """Used when the flags before it ask for a new file."""
    flags = ARGUMENTS[number - 1]
    return lambda value, row, memory: octal(value & 0xFFFF) if creates(row[flags]) else ""


def _payload(number: int) -> Show:
    """Data that the call takes; the next argument is its length."""
    length = ARGUMENTS[number + 1] if number < 5 else ARGUMENTS[5]

    def show(value: int, row: Row, memory: Memories) -> str:
        if not value:
            return "NULL"
        return "…" if row[length] else '""'

    return show


def _received(number: int) -> Show:
    """Data that the call delivers: its result is how much."""

    def show(value: int, row: Row, memory: Memories) -> str:
        if not value:
            return "NULL"
        result = row[_RESULT]
        return "…" if result > 0 else '""' if not result else f"{value:#x}"

    return show


def _device(number: int) -> Show:
    mode = ARGUMENTS[number - 1]
    special = (0o020000, 0o060000)
    return lambda value, row, memory: (
        device_number(value & 0xFFFFFFFF) if row[mode] & 0o170000 in special else ""
    )


_PLACED: Mapping[ValueForm, Callable[[int], Show]] = {
    ValueForm.CREATION_MODE: _creation_mode,
    ValueForm.PAYLOAD: _payload,
    ValueForm.RECEIVED_PAYLOAD: _received,
    ValueForm.DEVICE: _device,
}
"""Forms whose text depends on the arguments beside them."""
