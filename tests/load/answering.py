"""A tiny HTTP server for the load generator's tests: it counts, and misbehaves by path.

It knows nothing of the reference servers and shares no code with what it tests: it
looks for the empty line at the end of a request, which has no body here.
"""

import asyncio
import re
import socket
import struct
import threading
import time
from contextlib import contextmanager

END = b"\r\n\r\n"
TLS_HANDSHAKE = b"\x16"
"""With which a TLS connection begins."""


def right(body=b"hello", head=b"HTTP/1.1 200 OK", *headers):
    """An answer with a Content-Length."""
    lines = [head, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + END + body


FIXED = {
    "/": right(),
    "/empty": right(b""),
    "/last": right(b"bye", b"HTTP/1.1 200 OK", b"Connection: close"),
    "/old": right(b"old", b"HTTP/1.0 200 OK"),
    "/missing": right(b"no", b"HTTP/1.1 404 Not Found"),
    "/nothing": b"HTTP/1.1 204 No Content\r\n\r\n",
    "/chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    "/interim": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + right(),
    "/malformed": b"HELLO WORLD\r\n\r\n",
    "/two-lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "/too-much": right() + b"more",
    "/truncated": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
    "/half-head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "/until-the-end": b"HTTP/1.1 200 OK\r\n\r\nall there is",
    "/closed": b"",
}
CLOSING = {"/last", "/old", "/malformed", "/truncated", "/half-head", "/until-the-end", "/closed"}


class Answering:
    """What the server saw; read it when the load is over."""

    def __init__(self):
        self.address = ""
        self.listener = None
        self.opened = 0
        self.closed = 0
        self.open_at_once = 0
        self.requests = 0
        self.requests_of = []
        """Requests of each connection, in the order of their opening."""
        self.bytes_in = 0
        self.bytes_out = 0
        self.stalls = {}
        """Number of a request, from 1: seconds for which everything stands still before its answer."""
        self.on_request = lambda number: None
        self.everybody_left = threading.Event()

    async def serve(self, reader, writer):
        self.opened += 1
        self.requests_of.append(0)
        self.everybody_left.clear()
        self.open_at_once = max(self.open_at_once, self.opened - self.closed)
        try:
            await self.answer_all(reader, writer, len(self.requests_of) - 1)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            self.closed += 1
            if self.closed == self.opened:
                self.everybody_left.set()

    async def answer_all(self, reader, writer, place):
        while True:
            try:
                first = await reader.readexactly(1)
                if first == TLS_HANDSHAKE:
                    await self.send(writer, right(b"", b"HTTP/1.1 400 Bad Request"))
                    return
                self.bytes_in += 1
                request = first + await reader.readuntil(END)
            except asyncio.IncompleteReadError as partial:
                self.bytes_in += len(partial.partial)
                return
            self.bytes_in += len(request) - 1
            self.requests += 1
            self.requests_of[place] += 1
            self.on_request(self.requests)
            if stall := self.stalls.get(self.requests):
                time.sleep(stall)  # the event loop with it: nobody is answered meanwhile
            path = request.split(b" ", 2)[1].decode()
            if not await self.answer(path, writer) or b"connection: close" in request.lower():
                return

    async def answer(self, path, writer):
        """Send the answer; returns whether the connection stays."""
        if path == "/silent":
            await asyncio.sleep(3600)
        if path == "/reset":
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
            return False
        if path == "/pieces":
            for byte in right():
                await self.send(writer, bytes((byte,)))
                await asyncio.sleep(0)
            return True
        if path == "/growing":
            await self.send(writer, right(b"x" * self.requests))
            return True
        if match := re.fullmatch("/bytes/([0-9]+)", path):
            await self.send(writer, right(b"x" * int(match[1])))
            return True
        await self.send(writer, FIXED[path])
        return path not in CLOSING

    async def send(self, writer, data):
        writer.write(data)
        self.bytes_out += len(data)
        await writer.drain()


@contextmanager
def answering(tls=None):
    """A running server, which has seen the end of every connection when the context is left."""
    server = Answering()
    loop = asyncio.new_event_loop()
    listening = threading.Event()
    stop = asyncio.Event()

    async def main():
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls, backlog=1024)
        server.listener = listener
        server.address = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        listening.set()
        await stop.wait()
        listener.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    assert listening.wait(10)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        assert not thread.is_alive()
        loop.close()
