"""Whereabouts: where a request came from, as coarsely as helps a person to recognise it, and the language they read.

C-25  Whoever is told of a login is told from where; no full address, no version and nothing else that tells machines
      apart is passed on or kept. The gateway makes it of what a browser sends.
"""

from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "da"]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """All of it may be unknown."""

    browser: str | None = None
    """Families only, such as `Firefox, Windows`."""
    place: str | None = None
    """The network, such as `192.0.2.0/24`."""
    language: Language | None = None
    """Which of ours the browser asks for first."""


NOWHERE = Whereabouts()
