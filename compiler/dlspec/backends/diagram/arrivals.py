"""Where edges meet the box they enter."""

from __future__ import annotations

from dlspec.backends.diagram.pieces import PORT_GAP, Item, Step


def spread(item: Item, steps: list[Step]) -> list[float]:
    """Where the operands of a box enter it, by operand: each where it comes from, as far as they keep their distance."""
    wishes = [(step.start.leaves(step.port), step.into or 0, step) for step in _distinct(steps)]
    wishes.sort(key=lambda wish: wish[:2])
    reach = item.shape.reach - PORT_GAP / 2
    low, high = item.across - reach, item.across + reach
    gap = min(PORT_GAP, (high - low) / max(len(wishes) - 1, 1))
    count = len(wishes)
    if count == 1:  # from outside of the box it comes to the middle
        places = [wishes[0][0] if low <= wishes[0][0] <= high else item.across]
    else:
        straight = next((i for i, (wish, _, step) in enumerate(wishes) if step.main and low <= wish <= high), None)
        middle = count // 2 if straight is None else straight
        places = [min(max(wish, low + gap * i), high - gap * (count - 1 - i)) for i, (wish, _, _) in enumerate(wishes)]
        for index in range(middle + 1, count):
            places[index] = max(places[index], places[index - 1] + gap)
        for index in range(middle - 1, -1, -1):
            places[index] = min(places[index], places[index + 1] - gap)
    arrivals = [item.across] * (max(into for _, into, _ in wishes) + 1)
    for place, (_, into, _) in zip(places, wishes, strict=True):
        arrivals[into] = place
    return arrivals


def _distinct(steps: list[Step]) -> list[Step]:
    """The steps into one box, one for each operand."""
    return list({step.into: step for step in steps}.values())
