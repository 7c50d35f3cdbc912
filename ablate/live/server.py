"""The page, served on this machine while a sweep runs. It only reads, and answers nobody but this machine's own browser.

A loopback address alone is no boundary: any page that a browser has open may send requests to it, and a page whose name is
pointed at 127.0.0.1 may read the answers. So the names in `Host` and `Origin` and what browsers say in `Sec-Fetch-Site` are
checked, there are three addresses, and none of them is a path of a file.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ablate.errors import AblateError, ConfigError
from ablate.fingerprint import digest
from ablate.live.progress import Now, Watch
from ablate.opened.study import open_study
from ablate.page.build import page
from ablate.tables.copies import with_copies

HERE = "127.0.0.1"
NAMES = (HERE, "localhost", "[::1]")
"""What this machine may be called in a request; a port forwarded by ssh may be another one."""
REST = 5.0
"""How many times as long as it took to compute a study's effects they are left as they are: a sixth of a core at most."""
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class LiveStudy:
    """A study as it is now: what the page, its news and its data are made from.

    Attributes:
        folder: of the study.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._watch = Watch(folder)
        self._lock = threading.Lock()
        self._looking = threading.Lock()
        self._made: tuple[str, dict[str, Any]] | None = None
        self._next = 0.0

    def look(self) -> Now:
        """Return what every run does now."""
        with self._looking:
            return self._watch.look()

    def data(self) -> dict[str, Any]:
        """Return what `study.json` would hold now, with `news`: which records it was made from."""
        records = self.look().records
        with self._lock:
            if self._made is None or (self._made[0] != records and time.monotonic() >= self._next):
                began = time.monotonic()
                held = with_copies(open_study(self.folder).summary)
                self._made = records, {**held, "news": records}
                self._next = time.monotonic() + REST * (time.monotonic() - began)
            return self._made[1]

    def news(self) -> dict[str, Any]:
        """Return every run's state, the time left, and which records `data` would be made from if it were asked for now."""
        now = self.look()
        made = self._made
        stale = made is not None and made[0] != now.records and time.monotonic() < self._next
        return {
            "runs": [asdict(run) for run in now.runs],
            "left_s": now.left_s,
            "records": made[0] if stale and made else now.records,
        }


class _Answer(BaseHTTPRequestHandler):
    server: _Server
    server_version = "ablate"
    sys_version = ""

    def do_GET(self) -> None:
        refused = self._refused()
        if refused:
            return self._send(403, "text/plain", refused)
        make = self.server.routes.get(self.path)
        if make is None:
            return self._send(404, "text/plain", "not here: this server has /, /news.json and /study.json")
        try:
            kind, text = make()
        except (
            AblateError
        ) as error:  # a plan that is written anew this moment, a damaged record: said, and asked again
            return self._send(503, "text/plain", str(error))
        tag = f'"{digest(text)[:32]}"'
        if self.headers.get("If-None-Match") == tag:
            return self._send(304, kind, "", tag)
        self._send(200, kind, text, tag)

    def _refused(self) -> str:
        """Why this request is not answered; "" where it is."""
        host = self.headers.get("Host", "")
        if _name(host) not in NAMES:
            return f"a request for {host!r}, which is not this machine's own name for itself ({', '.join(NAMES)})"
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "a request that another site's page makes"
        if self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            return "a request that another site's page makes: type the address instead"
        return ""

    def _send(self, status: int, kind: str, text: str, tag: str = "") -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {
            **HEADERS,
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
        }.items():
            self.send_header(name, value)
        if tag:
            self.send_header("ETag", tag)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal shows the address and nothing else."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, routes: dict[str, Callable[[], tuple[str, str]]]) -> None:
        self.routes = routes
        super().__init__((HERE, port), _Answer)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that went away in the middle of an answer."""


def _name(host: str) -> str:
    """The name in a `Host` header, without its port, in lower case."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def serve(folder: Path, port: int = 0) -> _Server:
    """Return a server of a study's page, bound to this machine's loopback address and not yet serving.

    Args:
        folder: of a planned study of runs of our own.
        port: 0 for a free one.
    Raises:
        ConfigError: where the port is taken.
        DataError: where there is no plan, or it is damaged.
    """
    study = LiveStudy(folder)
    routes = {
        "/": lambda: ("text/html", page([study.data()], live=True)),
        "/news.json": lambda: ("application/json", json.dumps(study.news(), allow_nan=False)),
        "/study.json": lambda: ("application/json", json.dumps(study.data(), allow_nan=False)),
    }
    try:
        return _Server(port, routes)
    except OSError as error:
        raise ConfigError(
            f"dashboard.port={port}: {error.strerror or error}; give another, or 0 for a free one"
        ) from None
