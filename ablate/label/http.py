"""Post JSON with patience: time-outs, limits and broken answers are tried again, refusals are not."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from threading import Event
from typing import Any, TypeVar

import requests
from requests.exceptions import ConnectTimeout, InvalidHeader, InvalidSchema, InvalidURL, MissingSchema
from urllib3.exceptions import NewConnectionError

from ablate.errors import AblateError
from ablate.label.teacher import NoAnswer

T = TypeVar("T")
FOR_ALL = (401, 402, 403, 404, 405)
"""Statuses that every further request would get too: a wrong key, no credit, a wrong model or address."""
FOR_NOW = (408, 409, 429)
"""Statuses that pass, as do all from 500 on."""
LONGEST_WAIT_S = 60.0
LONGEST_RETRY_AFTER_S = 600.0


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
) -> tuple[T, int]:
    """Post a JSON body and read the JSON answer; also how many answers before it did not arrive whole.

    Waits `retry-after` where the server gives it, else `wait_s` doubled with each attempt, up to a minute,
    of which a random half at most is left out, so that many clients do not come back together.

    Args:
        read: takes what is wanted from the answer; KeyError, IndexError, TypeError and ValueError mean that
            the answer is broken and is asked for again.
        timeout_s: longest wait for a connection, and between two pieces of an answer.
        retries: attempts after the first.
        stop: once set, nothing more is waited for.
    Raises:
        NoAnswer: when the server refuses this request, or no attempt succeeds.
        AblateError: when it would refuse every request, or asks to come back much later.
    """
    why, lost = "", 0
    for attempt in range(retries + 1):
        try:
            return _once(url, headers, body, read, timeout_s), lost
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


def _once(
    url: str, headers: Mapping[str, str], body: Mapping[str, Any], read: Callable[[Any], T], timeout_s: float
) -> T:
    try:
        response = requests.post(
            url,
            json=body,
            headers=dict(headers),
            timeout=timeout_s,
            allow_redirects=False,  # a key must not follow to another host
            auth=_as_given,
        )
    except (MissingSchema, InvalidSchema, InvalidURL, InvalidHeader) as error:
        raise AblateError(f"cannot post to {url!r}: {error}") from error
    except requests.RequestException as error:
        raise _Again(f"{type(error).__name__}: {error}", lost=_was_sent(error)) from error
    status = response.status_code
    if status == 200:
        try:
            return read(response.json())
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise _Again(
                f"broken answer ({type(error).__name__}: {error}): {response.text[:300]}", lost=True
            ) from error
    said = f"status {status}: {response.text[:300]}"
    if status in FOR_NOW or status >= 500:
        raise _Again(said, _retry_after(response.headers))
    if status in FOR_ALL or status < 400:
        raise AblateError(
            f"{url} refuses: {said}. Check the key (teacher.key_variable names the environment variable that holds "
            "it; null sends none), its credit, teacher.model and teacher.base_url"
        )
    raise NoAnswer(f"{url} refuses this document: {said}")


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
