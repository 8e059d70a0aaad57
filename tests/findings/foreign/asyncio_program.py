"""A small HTTP server over asyncio's streams; its argument is the way in which it misbehaves.

Two lines on standard output frame the run, as those of the reference servers do: where it listens,
and how often it misbehaved.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time

EVERY = 10
BLOCKED_SECONDS = 0.06
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nServer: foreign\r\nContent-Length: 6\r\n\r\nhello\n"


class Server:
    def __init__(self, way: str) -> None:
        self.way = way
        self.requests = 0
        self.faults = 0
        self.kept: list[asyncio.StreamWriter] = []

    async def attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            self.requests += 1
            if head.startswith(b"GET /sleep/"):
                await asyncio.sleep(int(head.split()[1].rpartition(b"/")[2]) / 1000)
            if self.way == "pool":
                await asyncio.to_thread(time.sleep, BLOCKED_SECONDS)
            await self.answer(writer)
            if b"Connection: close" in head:
                writer.close()
                return
        if self.way == "leak":
            self.faults += 1
            self.kept.append(writer)
        else:
            writer.close()

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        tenth = self.requests % EVERY == 0
        if self.way == "sleep" and tenth:
            time.sleep(BLOCKED_SECONDS)
            self.faults += 1
        elif self.way == "compute" and tenth:
            until = time.thread_time() + BLOCKED_SECONDS
            number = 1
            while time.thread_time() < until:
                for _ in range(1000):
                    number = number * 1103515245 + 12345 & 0xFFFFFFFF
            self.faults += 1
        elif self.way == "silent" and tenth:
            self.faults += 1
            await asyncio.get_running_loop().create_future()
        elif self.way in ("pieces", "held"):
            if self.way == "held":
                connection = writer.get_extra_info("socket")
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
            for line in ANSWER.splitlines(keepends=True):
                writer.write(line)
                self.faults += 1
            return
        elif self.way == "spin":
            # Watched for writing with nothing to write.
            descriptor = writer.get_extra_info("socket").fileno()
            os.set_blocking(descriptor, False)
            duplicate = os.dup(descriptor)
            asyncio.get_running_loop().add_writer(duplicate, self.spun)
        writer.write(ANSWER)
        await writer.drain()

    def spun(self) -> None:
        self.faults += 1


async def main(way: str) -> None:
    server = Server(way)
    listener = await asyncio.start_server(server.attend, "127.0.0.1", 0)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    host, port = listener.sockets[0].getsockname()
    print(json.dumps({"listening": f"{host}:{port}", "pid": os.getpid()}), flush=True)
    await stop.wait()
    print(json.dumps({"requests": server.requests, "faults": {way: server.faults}}), flush=True)
    # Tasks that never end are among the faults.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
