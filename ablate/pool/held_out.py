"""Documents that are kept out of a pool because its models are scored on them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ablate.errors import FieldError
from ablate.fingerprint import file_digest
from ablate.plain import Plain


def document_digest(text: str) -> str:
    """Names a raw document by its text, as the pool has it: HTML where it is a page."""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def held_out_documents(path: str | None) -> frozenset[str]:
    """The digests of a file's documents; none without a file.

    Args:
        path: of JSON Lines with a field `document` each, as `ablate init` writes them.
    Raises:
        FieldError: when it is no such file.
    """
    if path is None:
        return frozenset()
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        return frozenset(json.loads(line)["document"] for line in lines)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FieldError(
            f"leave_out: {path} is no file of held-out documents (one JSON object a line, with `document`), as "
            f"`ablate init` writes it: {type(error).__name__}: {error}"
        ) from error


def held_out_request(path: str | None) -> dict[str, Plain]:
    """What of a pool's request the file is: nothing where there is none."""
    if path is None:
        return {}
    held_out_documents(path)
    return {"leave_out": file_digest(Path(path))}
