"""A proxy before a real server that stops in the middle of an answer and keeps the line open."""

import select
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SilentProxy(socketserver.ThreadingTCPServer):
    """Passes everything on, both ways, until it is told to fall silent."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, server: tuple[str, int]) -> None:
        self.server = server
        self.left: int | None = None  # bytes of answers that still come through; None: all
        self.is_over = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])

    def fall_silent(self, *, after: int) -> None:
        """Let so many bytes of answers through, and nothing more."""
        self.left = after

    def let_through(self, data: bytes) -> bytes:
        """What of an answer still comes through."""
        if self.left is None:
            return data
        passed = data[: self.left]
        self.left -= len(passed)
        return passed


class _Handler(socketserver.BaseRequestHandler):
    server: SilentProxy

    def handle(self) -> None:
        with socket.create_connection(self.server.server) as other:
            while not self.server.is_over.is_set():
                ready, _, _ = select.select([self.request, other], [], [], 0.05)
                for side in ready:
                    if not (data := side.recv(65536)):
                        return
                    if side is other:
                        self.request.sendall(self.server.let_through(data))
                    else:
                        other.sendall(data)


@contextmanager
def silent_proxy(host: str, port: int) -> Iterator[SilentProxy]:
    """A proxy before this server that runs while the block does."""
    with SilentProxy((host, port)) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.is_over.set()
            proxy.shutdown()
            thread.join()
