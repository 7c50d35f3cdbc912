"""Look at a folder of documents and write a study of it: what lies there, and a file to run and to change.

Tells which kinds of file there are, which fields, languages and sizes, and shows a document; then writes
my_conf/study/NAME.yaml with a question, FineWeb's recipe, a budget that fits a CPU, and the commands to run, and takes
some documents out of the pool into my_conf/heldout/NAME.jsonl, on which models are scored. The recipe is tried on a
sample first; a stage that would keep nothing of it is switched off in the file, and named. What no study can be made of
(tokens, images, WAT files alone, files without text) is refused in one sentence. Nothing is overwritten.

  init.folder=crawl       the folder, in place of the bare word
  study.name=my_web       what the study is called; the folder's name where it is not given
  init.to=my_conf         folder of configurations that it is written into
  init.overwrite=true     replace a study file of that name
  init.heldout=50         documents that are taken out of the pool

Then, in this order (each is safe to repeat):

  plan       what a sweep would run and cost; nothing runs yet
  inspect    what each stage drops, with samples: inspect.stage=gopher_quality
  sweep      every arm and seed, then the report

Example: ablate init crawl study.name=my_web init.to=my_conf
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from ablate.errors import ConfigError
from ablate.settings import settings_of


def as_overrides(words: Sequence[str]) -> list[str]:
    """The bare word of the command line, which is a folder, and `study=NAME`, which is no file yet, as overrides."""
    folders = [word for word in words if "=" not in word and not word.startswith(("-", "~", "+"))]
    if len(folders) > 1:
        raise ConfigError(f"init takes one folder, got {len(folders)}: {', '.join(folders)}")
    quoted = [
        "'" + folder.replace("\\", "\\\\").replace("'", "\\'").replace("${", "\\${") + "'"
        for folder in folders
    ]
    rest = [re.sub(r"^study=", "study.name=", word) for word in words if word not in folders]
    return [*(f"init.folder={folder}" for folder in quoted), *rest]


def main(config: DictConfig) -> int:
    """Look, and write; returns the exit status."""
    from ablate.folder.check import checked_draft, outcome
    from ablate.folder.look import described, look
    from ablate.store import write_text

    asked, name = settings_of(config).init, str(config.study.name)
    if asked.folder is None:
        raise ConfigError("init.folder is not set: ablate init FOLDER")
    folder = Path(asked.folder).expanduser()
    if name == "default":
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", folder.resolve().name).strip("_") or "mine"
    if not re.fullmatch(r"[\w-][\w.-]*", name):
        raise ConfigError(
            f"study.name must be letters, digits, _, - and ., got {name!r}: a file is called so"
        )
    to = Path(asked.to)
    if to.exists() and not to.is_dir():
        raise ConfigError(f"init.to: {to} is a file; give a folder")
    study, heldout = to / "study" / f"{name}.yaml", to / "heldout" / f"{name}.jsonl"
    there = [path for path in (study, heldout) if path.exists()]
    if there and not asked.overwrite:
        raise ConfigError(
            f"{there[0]} is there already: give another study.name, or init.overwrite=true to replace it"
        )
    found = look(folder)
    print("\n".join(described(found)))
    checked = checked_draft(found, name, to=to, heldout=heldout, count=asked.heldout)
    print("\n".join(outcome(checked)))
    made = checked.draft
    write_text(heldout, made.heldout)
    write_text(study, made.study)
    print(f"\nwritten: {study}, and {heldout} (left out of the pool, to score models on)\nnow run:")
    print("".join(f"  {command}\n" for command in made.commands), end="")
    return 0
