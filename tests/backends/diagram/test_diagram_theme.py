"""Every text of a picture can be read on every ground that it stands on: 4.5 to 1, as WCAG 2 asks."""

from __future__ import annotations

import pytest

from dlspec.backends.diagram.theme import HUES, THEMES, Theme


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
def test_contrast(theme: Theme) -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    open_grounds = [theme.background, theme.ground(0), theme.ground(1)]
    grounds = [*open_grounds, *map(theme.fill, HUES)]
    for ink in (theme.text, theme.muted, theme.accent):
        assert [ground for ground in grounds if contrast(ink, ground) < 4.5] == [], ink
    assert [ground for ground in open_grounds if contrast(theme.fault, ground) < 4.5] == []
