"""Who acts: taken from a verified token or from the system itself, never from a request body."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Actor:
    """The one in whose name something happens.

    `kind` is a word of the services (a person, the operator's staff, the system itself), `id` identifies the actor
    within that kind. The text form `kind:id` is what events, logs and the audit history carry.
    """

    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text form back. Raises ValueError when it is not `kind:id`."""
        kind, colon, identity = text.partition(":")
        if not (kind and colon and identity):
            raise ValueError(f"not an actor: {text!r}")
        return cls(kind, identity)
