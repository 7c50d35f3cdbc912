"""What a page holds, for whoever tests what is shown."""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any

BLOCK = re.compile(r'<script type="application/(json|gzip)" class="study">(.*?)</script>', re.DOTALL)


def held_studies(page: str) -> list[dict[str, Any]]:
    """The studies that a page holds, as `study.json` has them, in order; packed ones are unpacked."""
    return [
        json.loads(gzip.decompress(base64.b64decode(text)) if kind == "gzip" else text)
        for kind, text in BLOCK.findall(page)
    ]
