"""What is answered to a request: the paths, their limits, and no file but the documents."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from uringtrace.targets.http.service import LARGEST_BYTES, Answer, Document, Service, pattern


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder with two files, beside one that is nobody's business."""
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "documents"
    (folder / "folder").mkdir(parents=True)
    (folder / "folder" / "inner").write_text("inner")
    (folder / "small.txt").write_text("small")
    (folder / "empty").write_text("")
    (folder / ".hidden").write_text("hidden")
    (folder / "link").symlink_to("small.txt")
    (folder / "out").symlink_to(tmp_path / "secret")
    (folder / "out-folder").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    return folder


def get(documents: Path, target: bytes, method: bytes = b"GET") -> Answer:
    return Service(documents).answer(method, target, keep_alive=True)


def fields(answer: Answer) -> dict[str, str]:
    """The header, whose end is checked."""
    assert answer.head.endswith(b"\r\n\r\n")
    _, *lines = answer.head[:-4].decode().split("\r\n")
    return dict(line.split(": ", 1) for line in lines)


@pytest.mark.parametrize(
    ("target", "status", "delay_ms"),
    [
        (b"/", 200, 0),
        (b"/bytes/0", 200, 0),
        (b"/bytes/16777216", 200, 0),
        (b"/bytes/16777217", 404, 0),
        (b"/bytes/", 404, 0),
        (b"/bytes/-1", 404, 0),
        (b"/bytes/+1", 404, 0),
        (b"/bytes/1_0", 404, 0),
        (b"/bytes/\xd9\xa1", 404, 0),
        (b"/bytes/" + b"9" * 5000, 404, 0),
        (b"/bytes/1/2", 404, 0),
        (b"/sleep/0", 200, 0),
        (b"/sleep/60000", 200, 60_000),
        (b"/sleep/60001", 404, 0),
        (b"/sleep", 404, 0),
        (b"//", 404, 0),
        (b"//bytes/1", 404, 0),
        (b"/Bytes/1", 404, 0),
        (b"/%62ytes/1", 404, 0),
        (b"*", 404, 0),
    ],
)
def test_paths(documents: Path, target: bytes, status: int, delay_ms: int) -> None:
    answer = get(documents, target)
    assert (answer.status, answer.delay_ms, answer.document) == (status, delay_ms, None)
    assert fields(answer)["Content-Length"] == str(len(answer.body))
    assert answer.head.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 65_536, 65_537, LARGEST_BYTES])
def test_the_body_of_bytes_tells_every_place(count: int) -> None:
    body = pattern(count)
    assert len(body) == count
    assert body == (bytes(range(256)) * (count // 256 + 1))[:count]


@pytest.mark.parametrize("target", [b"/", b"/bytes/1000", b"/sleep/5", b"/file/small.txt", b"/nothing"])
def test_head_is_get_without_a_body(documents: Path, target: bytes) -> None:
    whole, head = get(documents, target), get(documents, target, b"HEAD")
    assert (head.status, head.head, head.delay_ms) == (whole.status, whole.head, whole.delay_ms)
    assert (head.body, head.document) == (b"", None)


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE"])
def test_other_methods(documents: Path, method: bytes) -> None:
    answer = get(documents, b"/file/small.txt", method)
    assert (answer.status, answer.close, answer.document) == (405, False, None)
    assert fields(answer)["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(("name", "size"), [("small.txt", 5), ("empty", 0)])
def test_documents(documents: Path, name: str, size: int) -> None:
    answer = get(documents, b"/file/" + name.encode())
    assert answer.document == Document(documents / name, size)
    assert (answer.body, fields(answer)["Content-Length"]) == (b"", str(size))


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b".",
        b"..",
        b"../secret",
        b"../documents/small.txt",
        b"..%2fsecret",
        b"%2e%2e/secret",
        b"%2e%2e%2fsecret",
        b"/secret",
        b"folder",
        b"folder/",
        b"folder/inner",
        b"./small.txt",
        b"small.txt/",
        b"small.txt\0",
        b"small%2etxt",
        b".hidden",
        b"link",
        b"out",
        b"out-folder/secret",
        b"pipe",
        b"absent",
        b"\xff\xfe",
        b"x" * 5000,
        "small․txt".encode(),
    ],
)
def test_nothing_but_plain_files_directly_in_the_folder(documents: Path, name: bytes) -> None:
    """No way leads out: no slash, no dot in front, no symbolic link, nothing encoded."""
    answer = get(documents, b"/file/" + name)
    assert (answer.status, answer.document) == (404, None)


def test_the_folder_may_be_reached_through_a_link(documents: Path, tmp_path: Path) -> None:
    (tmp_path / "way").symlink_to(documents)
    assert get(tmp_path / "way", b"/file/small.txt").document is not None
