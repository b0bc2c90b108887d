"""A real HTTP server on loopback that answers as a test tells it to, badly too."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class WebServer:
    """Answers requests with `replies` in their order, the last one for ever."""

    address: str
    replies: list[Reply] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)


@contextmanager
def web_server(*replies: Reply, certificate: Path | None = None) -> Iterator[WebServer]:
    """A server that runs while the block does, by https with a certificate and its key in one file."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            server.asked.append((self.command, self.path, dict(self.headers), body))
            reply = server.replies.pop(0) if len(server.replies) > 1 else server.replies[0]
            reply(self)

        do_GET = do_POST = do_PATCH = do_PUT = _answer

        def log_message(self, *_args: object) -> None:
            """Tests print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        httpd.block_on_close = False
        scheme = "http"
        if certificate:
            scheme, context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
        server = WebServer(f"{scheme}://127.0.0.1:{httpd.server_address[1]}", list(replies))
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.is_over.set()
            httpd.shutdown()
            thread.join()


def answer(
    data: object = None,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
) -> Reply:
    """An answer with JSON, or with `body` as it is."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        content = json.dumps(data).encode() if body is None else body
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return reply


def half_answer(data: object) -> Reply:
    """An answer that promises all and sends half, and then hangs up."""
    whole = json.dumps(data).encode()

    def reply(handler: BaseHTTPRequestHandler) -> None:
        answer(body=whole[: len(whole) // 2], headers={"Content-Length": str(len(whole))})(handler)
        handler.close_connection = True

    return reply


def cut_answer(data: object) -> Reply:
    """Half an answer that claims to be whole, as a proxy makes it whose backend dies."""
    whole = json.dumps(data).encode()
    return answer(body=whole[: len(whole) // 2])


def hang_up(handler: BaseHTTPRequestHandler) -> None:
    """No answer at all: the connection ends."""
    handler.close_connection = True


def keep_silent(server: WebServer) -> Reply:
    """No answer until the test is over."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        server.is_over.wait(30)
        handler.close_connection = True

    return reply
