"""Amounts that are added up field by field."""

from dataclasses import fields
from typing import Self


class Sums:
    """What a dataclass of amounts is made of to be added up: an amount that one of both does not know (None) is not known of the sum, and what is
    so of one of them (a bool) is so of the sum."""

    def __add__(self, other: Self) -> Self:
        pairs = {one.name: (getattr(self, one.name), getattr(other, one.name)) for one in fields(self)}
        return type(self)(**{name: _added(*both) for name, both in pairs.items()})


def _added(mine, its):
    if None in (mine, its):
        return None
    return mine or its if isinstance(mine, bool) else mine + its
