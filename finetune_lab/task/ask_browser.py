"""Votes in the browser, by Gradio: a page of this machine alone, at a secret address; nothing is sent anywhere else."""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from finetune_lab.errors import WorldError
from finetune_lab.people.queue import NotPossibleError, Queue, Showing
from finetune_lab.task.ask_page import KEYS, STYLE, button_label, done_page, gone_page, item_page

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
_LAST_ANSWER_SECONDS = 1.0  # for the page that says goodbye to reach the browser
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "frame-ancestors 'none'; form-action 'none'; base-uri 'self'"
)
_HEADERS = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


class Desk:
    """What the page's buttons do. A page says with every press which showing it is about, so that none counts twice.

    Pages get the text and the number of a showing, drawn anew for each; the names of items and answers stay here.
    """

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self.over = threading.Event()
        self._showings: dict[str, Showing] = {}
        self._turn = threading.Lock()  # one press after the other

    def open(self) -> tuple[str, str]:
        """The page for the next item, and the number of its showing; no number where nothing is left."""
        with self._turn:
            return self._page(self.queue.next())

    def press(self, said: str, number: str) -> tuple[str, str]:
        """A vote, undo or skip on the showing with this number; then the next page. A press that came twice is none."""
        with self._turn:
            showing = self._showings.pop(number, None)
            if said == "undo":
                return self._page(self.queue.back() or showing or self.queue.next())
            if showing is None:
                return self._page(self.queue.next())
            try:
                if said == "skip":
                    self.queue.skip(showing)
                else:
                    self.queue.vote(showing, said)
            except NotPossibleError as error:
                return self._page(showing, str(error))
            return self._page(self.queue.next())

    def finish(self) -> tuple[str, str]:
        """The last page."""
        with self._turn:
            self.over.set()
            return gone_page(self.queue), ""

    def _page(self, showing: Showing | None, told: str = "") -> tuple[str, str]:
        if showing is None:
            return done_page(self.queue), ""
        number = secrets.token_hex(8)
        self._showings[number] = showing
        return item_page(self.queue, showing, told), number


def blocks_of(desk: Desk) -> Any:
    """The page as Gradio's Blocks. Nothing of it can be called under a name of its own."""
    gr = _gradio()
    options = desk.queue.ballot.options
    own: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    with gr.Blocks(title="Votes", analytics_enabled=False) as blocks:
        shown = gr.HTML(elem_id="shown", js_on_load="")
        number = gr.Textbox(visible="hidden", elem_id="number")
        with gr.Column(elem_id="bar"):
            with gr.Row(elem_id="options", elem_classes=["points"] if len(options) > 5 else []):
                votes = [
                    gr.Button(button_label(one.label, one.typed[0]), elem_id=f"key-{one.typed[0]}", min_width=40)
                    for one in options
                ]
            with gr.Row(elem_id="moves"):
                moves = {name: gr.Button(f"{name} [{name[0]}]", elem_id=name, size="sm") for name in ("undo", "skip")}
                finish = gr.Button("finish", elem_id="finish", size="sm")
        buttons = [*votes, moves["skip"]]
        outputs = [shown, number, *buttons]

        def page_of(found: tuple[str, str]) -> list[Any]:
            return [*found, *(gr.update(interactive=bool(found[1])) for _ in buttons)]

        def pressed(said: str, about: str) -> list[Any]:
            return page_of(desk.press(said, about))

        blocks.load(lambda: page_of(desk.open()), None, outputs, **own)
        names = {option.value: button for option, button in zip(options, votes, strict=True)} | moves
        for said, button in names.items():
            button.click(partial(pressed, said), [number], outputs, trigger_mode="once", **own)
        finish.click(lambda: page_of(desk.finish()), None, outputs, **own)
    return blocks


def app_of(desk: Desk, token: str, port: int) -> Any:
    """The whole server: the page under /<token>/, for requests of this machine's own browser only."""
    from fastapi import FastAPI

    gr = _gradio()
    bare = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    plain = gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    own = {"theme": plain, "css": STYLE, "head": KEYS, "footer_links": [], "ssr_mode": False, "pwa": False}
    app = gr.mount_gradio_app(
        bare, blocks_of(desk), path=f"/{token}", server_name=HOST, server_port=port, show_error=False, **own
    )
    return _guarded(app, {f"{HOST}:{port}", f"localhost:{port}"})


def serve(queue: Queue, *, port: int, listening: Callable[[str, Desk], None] = lambda *_: None) -> None:
    """Serve until the rater presses finish or Ctrl-C. Raises WorldError where the port is taken."""
    import uvicorn

    desk, token = Desk(queue), secrets.token_urlsafe(18)
    taken = _socket(port)
    port = taken.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app_of(desk, token, port), log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [taken]}, daemon=True)
    thread.start()
    address = f"http://{HOST}:{port}/{token}/"
    log.info("vote      %s", address)
    log.info("          open it in a browser on this machine; finish there, or Ctrl-C here")
    listening(address, desk)
    try:
        while not desk.over.wait(0.2):
            if not thread.is_alive():
                raise WorldError(f"the page at {HOST}:{port} could not be served; every vote so far is kept")
        time.sleep(_LAST_ANSWER_SECONDS)
    except KeyboardInterrupt:
        log.info("stopped   every vote so far is kept")
    finally:
        server.should_exit = server.force_exit = True
        thread.join(5)


def _gradio() -> Any:
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before the import: it reports home when it is loaded
    import gradio

    return gradio


def _socket(port: int) -> socket.socket:
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except OSError as error:
        found.close()
        raise WorldError(
            f"task.port: cannot listen on {HOST}:{port} ({error.strerror}); 0 takes any free one"
        ) from None
    return found


def _guarded(app: Any, hosts: set[str]) -> Any:
    """Refuse what another name for this machine or another page asks, and let no page load anything from elsewhere."""

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await app(scope, receive, send)
            return
        told = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", [])}
        origin = told.get("origin", "").removeprefix("http://")
        if scope["type"] != "http" or told.get("host") not in hosts or (origin and origin not in hosts):
            if scope["type"] == "http":
                await send({"type": "http.response.start", "status": 403, "headers": []})
                await send({"type": "http.response.body", "body": b"not from here\n"})
            return

        async def marked(message: Any) -> None:
            if message["type"] == "http.response.start":
                added = [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        await app(scope, receive, marked)

    return guarded
