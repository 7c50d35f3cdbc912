"""Keys and passwords of the environment, which must end in no file."""

from __future__ import annotations

import os
import re

NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
SHORTEST = 12


def secret_in(text: str) -> str | None:
    """The environment variable whose secret value stands in a text, if one does.

    A secret is what a variable with such a name holds, 12 characters or more with a digit among them; a path is none.
    """
    for name, value in sorted(os.environ.items()):
        is_secret = (
            len(value) >= SHORTEST and any(map(str.isdigit, value)) and not value.startswith(("/", "~", "."))
        )
        if NAMES.search(name) and is_secret and value in text:
            return name
    return None
