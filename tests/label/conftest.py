"""A server on loopback that speaks both interfaces, answers by what stands in the text, and can misbehave."""

from __future__ import annotations

import json
import re
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ablate.label.rubric import Document

INPUT_TOKENS, OUTPUT_TOKENS = 100, 10


@dataclass(frozen=True)
class Request:
    """What came in, and when."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    time_s: float

    @property
    def question(self) -> str:
        return str(self.body["messages"][0]["content"])


@dataclass
class Server:
    """Its requests so far, and the faults that the next ones meet, in order."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    faults: deque[Callable[[Any], None]] = field(default_factory=deque)
    refused: str = "\0"
    pause_s: float = 0.0
    usage: bool = True
    in_flight: int = 0
    most_in_flight: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # Faults, to be put into `faults`.

    @staticmethod
    def status(code: int, **headers: str) -> Callable[[Any], None]:
        """an error as the interfaces word it."""
        said = {"type": "error", "error": {"type": "api_error", "message": f"status {code} it is"}}
        return lambda handler: handler.send(
            code, said, {name.replace("_", "-"): value for name, value in headers.items()}
        )

    @staticmethod
    def silence(handler: Any) -> None:
        """longer than the client waits."""
        time.sleep(1.0)
        handler.close_connection = True

    @staticmethod
    def malformed(handler: Any) -> None:
        """a whole answer that is not JSON."""
        handler.send_raw(200, b'{"content": [{"type": "text", "te')

    @staticmethod
    def truncated(handler: Any) -> None:
        """the connection breaks in the middle of an answer."""
        handler.send_raw(200, b'{"content": [{"type": "te', length=4000)
        handler.close_connection = True

    @staticmethod
    def cut_chunk(handler: Any) -> None:
        """a streamed body that ends within a chunk."""
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("transfer-encoding", "chunked")
        handler.end_headers()
        handler.wfile.write(b'20\r\n{"content": [{"ty')
        handler.close_connection = True

    @staticmethod
    def dribbled(handler: Any) -> None:
        """a byte now and then, never as late as the client would give up, without end."""
        handler.send_raw(200, b"{", length=10_000)
        while True:
            time.sleep(0.05)
            handler.wfile.write(b" ")

    @staticmethod
    def endless(handler: Any) -> None:
        """a body that goes on and on."""
        handler.send_raw(200, b"{", length=1 << 40)
        while True:
            handler.wfile.write(b" " * (1 << 20))

    @staticmethod
    def bomb(handler: Any) -> None:
        """half a gigabyte in half a megabyte."""
        squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
        packed = b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(512)) + squeeze.flush()
        handler.send_raw(200, packed, {"content-encoding": "gzip"})

    @staticmethod
    def deep(handler: Any) -> None:
        """JSON nested deeper than Python reads."""
        handler.send_raw(200, b"[" * 100_000 + b"]" * 100_000)

    @staticmethod
    def echo(status: int) -> Callable[[Any], None]:
        """what came in, as debugging proxies do, the key in it."""
        return lambda handler: handler.send(status, {"your headers": dict(handler.headers)})

    @staticmethod
    def misshapen(handler: Any) -> None:
        """JSON of another kind."""
        handler.send(200, {"detail": "hello"})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        state: Server = self.server.state
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.guard:
            state.requests.append(Request(self.path, headers, body, time.monotonic()))
            state.in_flight += 1
            state.most_in_flight = max(state.most_in_flight, state.in_flight)
            fault = state.faults.popleft() if state.faults else None
        try:
            time.sleep(state.pause_s)
            if fault is not None:
                fault(self)
            elif state.refused in json.dumps(body):
                self.send(400, {"error": {"type": "invalid_request_error", "message": "prompt is too long"}})
            else:
                self.answer(state, headers, body)
        except ConnectionError:  # the client gave up or was killed
            self.close_connection = True
        finally:
            with self.server.guard:
                state.in_flight -= 1

    def answer(self, state: Server, headers: dict[str, str], body: dict[str, Any]) -> None:
        question = body["messages"][0]["content"]
        points = re.search(r"points=(\S+)", question)
        text = f"It explains something.\nScore: {points[1]}" if points else "I would rather not say."
        if self.path == "/v1/messages":
            if headers.get("authorization") != "Bearer secret":
                self.refuse(401, "authentication_error", "invalid bearer token")
                return
            if headers.get("anthropic-version") != "2026-10-21":
                self.refuse(400, "invalid_request_error", "anthropic-version: not a valid version")
                return
            if unknown := set(body) - {"model", "max_tokens", "messages", "thinking", "system"}:
                self.refuse(400, "invalid_request_error", f"{min(unknown)}: Extra inputs are not permitted")
                return
            usage = {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS, "service_tier": "standard"}
            content = [{"type": "text", "text": text}]
            if body.get("thinking") != {"type": "disabled"}:  # the models think unless they are told not to
                content.insert(0, {"type": "thinking", "thinking": "Score: 0", "signature": "c2ln"})
            said = {
                "id": "msg_01",
                "type": "message",
                "role": "assistant",
                "model": body["model"],
                "content": content,
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "stop_details": None,
            }
        elif self.path == "/v1/chat/completions":
            usage = {
                "prompt_tokens": INPUT_TOKENS,
                "completion_tokens": OUTPUT_TOKENS,
                "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
            }
            message = {"role": "assistant", "content": text}
            said = {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": body["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            }
        else:
            self.send(404, {"error": {"message": f"no route {self.path}"}})
            return
        self.send(200, said | ({"usage": usage} if state.usage else {}))

    def refuse(self, status: int, kind: str, message: str) -> None:
        error = {"type": kind, "message": message}
        self.send(status, {"type": "error", "error": error, "request_id": "req_01"})

    def send(self, status: int, said: Any, headers: dict[str, str] | None = None) -> None:
        self.send_raw(status, json.dumps(said).encode(), headers)

    def send_raw(
        self, status: int, raw: bytes, headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(raw) if length is None else length))
        self.end_headers()
        self.wfile.write(raw)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A running server; the key that it takes is in the environment."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    httpd: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.state, httpd.guard = Server(httpd.server_address[1]), threading.Lock()
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield httpd.state
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture(scope="session")
def documents() -> Callable[[int], list[Document]]:
    """Makes documents worth 0, 1, .. 5, 0, 1, .. points."""
    return lambda count: [
        Document(f"d{number}", f"Page {number}. points={number % 6}") for number in range(count)
    ]


WORDS = ["<pad>", "<eos>", "<unk>", "Score:", "1", "2", "Rate", "rain", "sun", "sea", "sand", "fog"]


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    """The folder of an untrained Llama over a dozen words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        initializer_range=0.5,
    )
    path = tmp_path / "model"
    LlamaForCausalLM(config).save_pretrained(path)
    fast.save_pretrained(path)
    return path
