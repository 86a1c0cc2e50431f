"""docs/zoo.md says what the shipped networks are today."""

from __future__ import annotations

import re

import pytest
from zoo import DOCS, python_lines, zoo

REFERENCE = '''"""What documents."""
import math

class A_Weights(Enum):
    X = 1

default_cfgs = {
    "a": 1,
}

# why
class A:
    """What documents."""

    x = (
        1  # one
    )
'''


def test_the_zoo_is_current() -> None:
    try:
        made = zoo()
    except ImportError:
        pytest.skip("torchvision or timm is not installed: `make test` installs them")
    text = (DOCS / "zoo.md").read_text(encoding="utf-8")
    theirs = r", and the reference \d+"  # which depends on the versions that are installed
    assert re.sub(theirs, "", text) == re.sub(theirs, "", made), "`make zoo` writes it again"
    pictures = re.findall(r"\(zoo/(\w+\.svg)\)", text)
    assert sorted(pictures) == sorted(path.name for path in (DOCS / "zoo").glob("*.svg"))


def test_lines_of_a_reference() -> None:
    assert python_lines(REFERENCE) == 5
