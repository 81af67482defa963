"""Review in the browser: a page of this machine alone, at an address that nobody can guess, without any script."""

import hmac
import logging
import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from finetune_lab.errors import WorldError
from finetune_lab.preparing.review_queue import NotPossibleError, ReviewQueue
from finetune_lab.task.review_page import done_page, gone_page, row_page

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
_MOST_BYTES = 5_000_000
_FIELDS = 20


class ReviewServer(ThreadingHTTPServer):
    """Listens on the loopback address alone; `address` is where the reviewer goes."""

    daemon_threads = True

    def __init__(self, queue: ReviewQueue, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.queue = queue
        self.token = secrets.token_urlsafe(24)
        self.turn = threading.Lock()  # one decision after the other, though a browser may ask twice at once

    @property
    def address(self) -> str:
        """The page, with the secret part of its address."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"


def serve(queue: ReviewQueue, *, port: int) -> None:
    """Serve until the reviewer presses finish or Ctrl-C. Raises WorldError where the port is taken."""
    try:
        server = ReviewServer(queue, port)
    except OSError as error:
        raise WorldError(
            f"task.port: cannot listen on {HOST}:{port} ({error.strerror}); 0 takes any free one"
        ) from None
    log.info("review   %s", server.address)
    log.info("         open it in a browser on this machine; finish there, or Ctrl-C here")
    with server:
        try:
            server.serve_forever(poll_interval=0.1)
        except KeyboardInterrupt:
            log.info("stopped  every decision so far is kept")


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    server_version, sys_version = "review", ""

    def do_GET(self) -> None:
        """The next row, or the one that `row` names."""
        if self._refused():
            return
        with self.server.turn:
            self._page(parse_qs(urlsplit(self.path).query).get("row", [""])[0])

    def do_POST(self) -> None:
        """A decision; then the next row."""
        form = None if self._refused() else self._form()
        if form is None:
            return
        with self.server.turn:
            self._act(form)

    def _act(self, form: dict[str, str]) -> None:
        queue, kind = self.server.queue, form.get("decision", "")
        if kind == "finish":
            self._send(gone_page(queue))
            threading.Thread(target=self.server.shutdown).start()
            return
        try:
            if kind == "back":
                last = queue.last_own()
                self._go(f"?row={last.id}" if last else "")
                return
            row = queue.row(form.get("row", ""))
            if kind == "skip":
                queue.skip(row)
            else:
                queue.decide(row, kind, text=form.get("text", "").replace("\r\n", "\n"), label=form.get("label"))
        except NotPossibleError as error:
            self._page(form.get("row", ""), told=str(error), typed=form.get("text"), status=HTTPStatus.BAD_REQUEST)
            return
        self._go("")

    def _page(self, name: str, *, told: str = "", typed: str | None = None, status: int = HTTPStatus.OK) -> None:
        queue = self.server.queue
        row = next((row for row in queue.rows if row.id == name), None) if name else queue.next_row()
        self._send(done_page(queue) if row is None else row_page(queue, row, told=told, typed=typed), status)

    # What every request has to pass, and how every answer goes out

    def _refused(self) -> bool:
        """Answer what does not come from the reviewer's own page: another name for this machine, a wrong address."""
        port = self.server.server_port
        own = {f"{HOST}:{port}", f"localhost:{port}"}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") not in own or (origin and origin.removeprefix("http://") not in own):
            self._send("not from here\n", HTTPStatus.FORBIDDEN)
            return True
        given = urlsplit(self.path).path.strip("/")
        if not hmac.compare_digest(given.encode(), self.server.token.encode()):
            self._send("nothing here\n", HTTPStatus.NOT_FOUND)
            return True
        return False

    def _form(self) -> dict[str, str] | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > _MOST_BYTES:
            self._send("too much\n", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            return None
        try:
            body = self.rfile.read(int(length)).decode("utf-8")
            form = parse_qs(body, keep_blank_values=True, errors="strict", max_num_fields=_FIELDS)
        except ValueError:
            self._send("not a form\n", HTTPStatus.BAD_REQUEST)
            return None
        return {name: values[-1] for name, values in form.items()}

    def _go(self, query: str) -> None:
        self.send_response(HTTPStatus.SEE_OTHER)
        self.send_header("Location", f"/{self.server.token}/{query}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, page: str, status: int = HTTPStatus.OK) -> None:
        body = page.encode("utf-8", "replace")
        self.send_response(status)
        kind = "text/html" if page.startswith("<!doctype") else "text/plain"
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in _SAFETY.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the address holds the secret."""


_SAFETY = {
    # no script runs and nothing is fetched, whatever a row holds
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
