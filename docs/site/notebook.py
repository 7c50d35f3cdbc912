"""An executed notebook as a Markdown page: words, code, and what the code printed and drew."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any


def as_page(path: Path, to: Path) -> None:
    """Write a notebook's page, its pictures beside it.

    Args:
        path: an executed .ipynb.
        to: the .md file.
    """
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    text: list[str] = []
    for number, cell in enumerate(told["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            text += [source, ""]
            continue
        text += ["```python", source, "```", ""]
        for place, output in enumerate(cell["outputs"]):
            data = output.get("data", {"text/plain": output.get("text", "")})
            if "image/png" in data:
                picture = to.with_name(f"{to.stem}_{number}_{place}.png")
                picture.write_bytes(base64.b64decode("".join(data["image/png"])))
                text += [f"![What the cell above draws]({picture.name})", ""]
            elif "text/html" in data:
                text += [
                    "```{raw} html",
                    '<div class="frame">',
                    "".join(data["text/html"]),
                    "</div>",
                    "```",
                    "",
                ]
            elif "text/markdown" in data:
                text += ["".join(data["text/markdown"]), ""]
            else:
                text += ["```text", "".join(data["text/plain"]).rstrip("\n"), "```", ""]
    to.write_text("\n".join(text), encoding="utf-8")
