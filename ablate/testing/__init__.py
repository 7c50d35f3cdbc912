"""Contracts: whether a part of one's own (stage, source, teacher, student, tokenizer, task kind, tracker, view, report section) keeps its promises.

Texts and measurements are kept under names. If something that changes them is missing from the name, the
store gives back what another configuration measured, and nothing says so. These checks try to bring that about:

    from ablate.testing import check_stage

    def test_my_stage() -> None:
        check_stage(MyStage())

A check that fails raises `ContractError`, an AssertionError, with the field, the texts and what differs.
Part of what is tried is drawn by hypothesis, which must be installed (`pip install hypothesis`).
"""

from ablate.testing.contract import ContractError
from ablate.testing.design import check_design
from ablate.testing.estimand import check_estimand
from ablate.testing.golden import check_golden
from ablate.testing.libraries import check_libraries
from ablate.testing.section import check_report_section
from ablate.testing.source import check_source
from ablate.testing.stage import check_stage
from ablate.testing.student import check_student
from ablate.testing.task_kind import check_task_kind
from ablate.testing.teacher import check_teacher
from ablate.testing.tokenizer import check_tokenizer
from ablate.testing.tracker import check_tracker
from ablate.testing.view import check_view

__all__ = [
    "ContractError",
    "check_design",
    "check_estimand",
    "check_golden",
    "check_libraries",
    "check_report_section",
    "check_source",
    "check_stage",
    "check_student",
    "check_task_kind",
    "check_teacher",
    "check_tokenizer",
    "check_tracker",
    "check_view",
]
