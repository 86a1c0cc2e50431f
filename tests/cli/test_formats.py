"""The table of formats agrees with the commands that read it and with the pictures that can be drawn."""

from __future__ import annotations

import pytest

from dlspec.backends.diagram import picture
from dlspec.cli import COMMANDS, parser
from dlspec.commands.formats import FORMATS, Format


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.ending)
def test_options_are_those_of_the_command(format: Format) -> None:
    parsed = parser([format.command]).parse_args([format.command, "a.dlspec", "-o", f"a{format.ending}"])
    assert set(format.network.options) <= set(vars(parsed))
    assert set(format.train.options) <= set(format.network.options)


def test_every_picture_has_a_row() -> None:
    assert [format.ending for format in FORMATS if format.command == "draw"] == list(picture.FORMATS)


def test_no_ending_has_two_rows() -> None:
    assert len({format.ending for format in FORMATS}) == len(FORMATS)


@pytest.mark.parametrize("format", FORMATS, ids=lambda format: format.ending)
def test_the_help_names_the_format(format: Format) -> None:
    assert format.ending in COMMANDS[format.command]
