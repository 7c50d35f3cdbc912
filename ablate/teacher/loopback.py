"""A teacher behind the interface of chat completions and completions on this machine, for tests and demonstrations."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ablate.teacher.base import Teacher
from ablate.teacher.question import Form, Question, Sampling


@contextmanager
def serve(teacher: Teacher, port: int = 0) -> Iterator[str]:
    """For the block, answer on 127.0.0.1; yields the `base_url` to give to `openai_compatible`.

    Args:
        port: 0 for any that is free.
    """
    server: Any = ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    server.teacher = teacher
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer a request."""
        try:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            form: Form = "chat" if self.path.endswith("/chat/completions") else "completion"
            text = asked["messages"][-1]["content"] if form == "chat" else asked["prompt"]
            question = Question(
                key="",
                text=text,
                max_tokens=int(asked.get("max_tokens", 1000)),
                seed=asked.get("seed"),
                form=form,
                sampling=Sampling(temperature=asked.get("temperature")),
            )
            (answer,) = self.server.teacher.ask([question])
        except Exception as error:
            self._send(400, {"error": {"message": f"{type(error).__name__}: {error}"}})
            return
        said: dict[str, Any] = {"index": 0, "finish_reason": answer.finish_reason}
        said |= (
            {"message": {"role": "assistant", "content": answer.text}}
            if form == "chat"
            else {"text": answer.text}
        )
        usage = {"prompt_tokens": answer.input_tokens, "completion_tokens": answer.output_tokens}
        self._send(200, {"object": form, "model": asked.get("model"), "choices": [said], "usage": usage})

    def _send(self, status: int, said: Any) -> None:
        raw = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)
