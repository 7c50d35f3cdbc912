"""Post JSON with patience: time-outs, limits and broken answers are tried again, refusals are not."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial
from threading import Event
from typing import Any, TypeVar

import requests
from requests.exceptions import ConnectTimeout, InvalidHeader, InvalidSchema, InvalidURL, MissingSchema
from urllib3.exceptions import NewConnectionError

from ablate.errors import AblateError
from ablate.teacher.background import begin
from ablate.teacher.question import NoAnswer

T = TypeVar("T")
FOR_ALL = (401, 402, 403, 404, 405)
"""Statuses that every further request would get too: a wrong key, no credit, a wrong model or address."""
FOR_NOW = (408, 409, 429)
"""Statuses that pass, as do all from 500 on."""
LONGEST_WAIT_S = 60.0
LONGEST_RETRY_AFTER_S = 600.0
LONGEST_ANSWER = 8 << 20
"""Bytes, unpacked."""
PIECE = 1 << 14
SHORTEST_SECRET = 8
"""Characters; shorter keys are made up, as local servers want them, and may stand in any text."""


class _Again(Exception):
    """Worth another attempt, after the seconds that the server asks for; `lost` when an answer was on its way."""

    def __init__(self, why: str, after_s: float | None = None, lost: bool = False) -> None:
        super().__init__(why)
        self.after_s, self.lost = after_s, lost


def post(
    url: str,
    headers: Mapping[str, str],
    body: Mapping[str, Any],
    read: Callable[[Any], T],
    *,
    timeout_s: float,
    retries: int,
    wait_s: float,
    stop: Event,
    secret: str = "",
) -> tuple[T, int]:
    """Post a JSON body and read the JSON answer; also how many answers before it did not arrive whole.

    Waits `retry-after` where the server gives it, else `wait_s` doubled with each attempt, up to a minute,
    of which a random half at most is left out, so that many clients do not come back together.

    Args:
        read: takes what is wanted from the answer; KeyError, IndexError, TypeError, ValueError and
            AttributeError mean that the answer is broken and is asked for again.
        timeout_s: longest wait for a connection, and between two pieces of an answer; an attempt takes twice
            that at most, however the server spreads its pieces.
        retries: attempts after the first.
        stop: once set, nothing more is waited for.
        secret: must stand in nothing that is kept or said, though the server may send it back.
    Raises:
        NoAnswer: when the server refuses this request, or no attempt succeeds.
        AblateError: when it would refuse every request, or asks to come back much later.
    """
    why, lost = "", 0
    for attempt in range(retries + 1):
        try:
            return _once(url, headers, body, read, timeout_s, secret), lost
        except _Again as again:
            why, lost = str(again), lost + again.lost
            if again.after_s is not None and again.after_s > LONGEST_RETRY_AFTER_S:
                raise AblateError(
                    f"{url} asks to wait {again.after_s:.0f} s ({why}). "
                    "Run the same command again later; what was answered is kept"
                ) from None
            pause = random.uniform(0.5, 1.0) * min(LONGEST_WAIT_S, wait_s * 2**attempt)
            if again.after_s is not None:
                pause = again.after_s + random.uniform(0.0, 0.1) * wait_s
        if stop.is_set() or (attempt < retries and stop.wait(pause)):
            break
    raise NoAnswer(f"no answer from {url} in {attempt + 1} attempts; the last: {why}", lost)


@dataclass(frozen=True)
class _Said:
    """What a server answered, without the secret."""

    status: int
    headers: Mapping[str, str]
    text: str


def _once(
    url: str,
    headers: Mapping[str, str],
    body: Mapping[str, Any],
    read: Callable[[Any], T],
    timeout_s: float,
    secret: str,
) -> T:
    fetch = partial(_fetch, url, headers, body, timeout_s, secret)
    try:
        # A server that sends a byte now and then keeps a connection waiting for ever, but not this thread.
        answer = begin(fetch).result(2 * timeout_s)
    except TimeoutError:
        raise _Again(f"no whole answer within {2 * timeout_s:g} s", lost=True) from None
    except (MissingSchema, InvalidSchema, InvalidURL, InvalidHeader) as error:
        raise AblateError(f"cannot post to {url!r}: {_without(secret, str(error))}") from None
    except requests.RequestException as error:
        why = _without(secret, f"{type(error).__name__}: {error}")
        raise _Again(why, lost=_was_sent(error)) from None
    if answer.status == 200:
        try:
            return read(json.loads(answer.text))
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise _Again(
                f"broken answer ({type(error).__name__}: {error}): {answer.text[:300]}", lost=True
            ) from error
    said = f"status {answer.status}: {answer.text[:300]}"
    if answer.status in FOR_NOW or answer.status >= 500:
        raise _Again(said, _retry_after(answer.headers))
    if answer.status in FOR_ALL or answer.status < 400:
        raise AblateError(
            f"{url} refuses: {said}. Check the key (teacher.key_variable names the environment variable that holds "
            "it; null sends none), its credit, teacher.model and teacher.base_url"
        )
    raise NoAnswer(f"{url} refuses this question: {said}", refused=True)


def _fetch(
    url: str, headers: Mapping[str, str], body: Mapping[str, Any], timeout_s: float, secret: str
) -> _Said:
    until = time.monotonic() + 2 * timeout_s
    parts, size = [], 0
    with requests.post(
        url,
        json=body,
        headers=dict(headers),
        timeout=timeout_s,
        allow_redirects=False,  # a key must not follow to another host
        auth=_as_given,
        stream=True,
    ) as response:
        for piece in response.iter_content(PIECE):
            parts.append(piece)
            size += len(piece)
            if size > LONGEST_ANSWER:
                raise _Again(f"an answer of more than {LONGEST_ANSWER:,} bytes", lost=True)
            if time.monotonic() > until:  # nobody waits for it any more
                break
        text = _decoded(b"".join(parts), response.headers.get("content-type", ""), response.status_code)
        return _Said(response.status_code, response.headers, _without(secret, text))


def _decoded(body: bytes, content_type: str, status: int) -> str:
    """The text of an answer: UTF-8 as JSON is, unless the server states another encoding or its first bytes show one.

    What an error says is read as far as it can be; of an answer no letter may be another one.

    Raises:
        _Again: for an answer that is not of its encoding.
    """
    about = Message()
    about["content-type"] = content_type
    encoding = about.get_content_charset() or json.detect_encoding(body)
    try:
        return body.decode(encoding, "strict" if status == 200 else "replace")
    except (UnicodeDecodeError, LookupError) as error:
        if status != 200:
            return body.decode("utf-8", "replace")
        raise _Again(f"broken answer, its bytes are no {encoding}: {error}", lost=True) from None


def _without(secret: str, text: str) -> str:
    return text.replace(secret, "(the key)") if len(secret) >= SHORTEST_SECRET else text


def _was_sent(error: requests.RequestException) -> bool:
    """Whether a request that failed had reached a server."""
    cause = getattr(error.args[0] if error.args else None, "reason", None)
    return not isinstance(error, ConnectTimeout) and not isinstance(cause, NewConnectionError)


def _as_given(request: Any) -> Any:
    """Keep our own authorisation: without this, an entry in ~/.netrc would replace it."""
    return request


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, given as a number or as an HTTP date (RFC 9110, section 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
