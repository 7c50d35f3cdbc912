"""`check_task_kind`: whether a kind reads its items alike each time, changes none, and refuses what cannot be asked."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

from ablate.benchmarks.snapshot import SnapshotTask
from ablate.benchmarks.task_kind import FORMS, Asked, TaskKind
from ablate.errors import AblateError
from ablate.plain import Plain
from ablate.testing.contract import REFUSED, check_canonical, is_frozen, require, same


def check_task_kind(kind: TaskKind, rows: Sequence[Mapping[str, Plain]]) -> None:
    """Read items several times, and with a null in the place of each field.

    A task's digest is that of its items as they are asked, and scores are kept under it. So an item must be asked in one
    of the three forms, alike each time. And null would be asked as the word None.

    Args:
        kind: the kind.
        rows: items that it can read, as they stand in a file.
    Raises:
        ContractError: names the field or the item, and what differs.
    """
    what = type(kind).__name__
    require(is_frozen(type(kind)), f"{what} must be a frozen dataclass: its fields are its parameters")
    require(
        isinstance(kind.fields, tuple) and kind.fields and all(isinstance(name, str) for name in kind.fields),
        f"{what}.fields must name the fields that an item has in its file",
    )
    require(rows, f"{what} needs an item or more to be checked with")
    for number, row in enumerate(rows, start=1):
        _check_item(kind, row, f"{what}, item {number}")
        for field in kind.fields:
            try:
                kind.read({**row, field: None})
            except REFUSED as error:
                require(
                    isinstance(error, (AblateError, ValueError)),
                    f"{what}: null in {field} must be refused by a ValueError that says what was expected, got {error!r}",
                )
            else:
                require(False, f"{what} reads null in {field}, which a model would be asked as the word None")


def _check_item(kind: TaskKind, row: Mapping[str, Plain], what: str) -> None:
    missing = [field for field in kind.fields if field not in row]
    require(not missing, f"{what} lacks {missing}")
    given = copy.deepcopy(dict(row))
    form, item = kind.read(given)
    require(same(given, dict(row)), f"{what}: reading changes the row")
    require(same(kind.read(given), (form, item)), f"{what} is asked otherwise the second time")
    check_canonical(item, what)
    require(form in FORMS, f"{what}: the form is {form!r}; expected one of {', '.join(FORMS)}")
    try:
        rebuilt: Asked = FORMS[form](**item)
    except (TypeError, ValueError) as error:
        require(False, f"{what} cannot be asked as {form}: {error}")
    else:
        require(same(rebuilt.item, item), f"{what} has fields that the form {form} does not")
    task = SnapshotTask("checked", form, (item,))
    require(task.reference_text(item).strip(), f"{what} has no text that a leaked copy would contain")
