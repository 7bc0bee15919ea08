from __future__ import annotations

import pytest

from services.train.licences import ALLOWED, allows, check
from shared.errors import Refused


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("Apache-2.0", True),
        ("apache-2.0", True),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("(GPL-3.0-only OR MIT) AND Apache-2.0", True),
        ("MIT AND (Apache-2.0", False),
        ("Apache-2.0 WITH LLVM-exception", False),
        ("llama3.1", False),
        ("MIT MIT", False),
        ("MIT, really", False),
        ("", False),
    ],
)
def test_an_expression_is_allowed_where_its_terms_can_be_met(expression, allowed):
    assert allows(expression, ALLOWED) is allowed


def test_an_exception_is_allowed_by_name():
    assert allows("Apache-2.0 WITH LLVM-exception", [*ALLOWED, "Apache-2.0 WITH LLVM-exception"])


def test_an_unknown_licence_is_none():
    with pytest.raises(Refused, match="not known"):
        check(None)
    with pytest.raises(Refused, match=r"CC-BY-NC-4\.0, is not among"):
        check("CC-BY-NC-4.0")
