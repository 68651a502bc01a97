"""Why something is written: who asked, under which grant, in answer to what, and what must hold or fail with it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from shared.actor import Actor
from shared.events import Event
from shared.eventstore.statement import Statement

Seen = tuple[str, ...]
"""What a command wrote, as `stream@version` each: a client sends it back to be answered no earlier than that."""

Bookkeeping = Callable[[Seen, Mapping[str, Any]], Iterable[Statement]]
"""Statements that commit together with a command, told what it wrote and what it answers."""

Ensure = Callable[[Sequence[Event]], Iterable[Statement]]
"""Told the events of a command, answers the checks that must hold once they count."""


GrantOf = Callable[[Event], str | None]
"""Told an event of a command, answers the grant that this one was made under; None for the command's own."""


def _nothing(_seen: Seen, _answer: Mapping[str, Any]) -> Iterable[Statement]:
    return ()


def _the_commands_own(_event: Event) -> str | None:
    return None


@dataclass(frozen=True, slots=True)
class Cause:
    """The circumstances of one command, handed from its door (a request, an event) down to the append."""

    actor: Actor
    correlation: str
    causation: str | None = None
    grant: str | None = None
    grant_of: GrantOf = _the_commands_own
    """Where a command acts under several grants: which of them each of its events was made under (H1)."""
    guards: Sequence[Statement] = ()
    """What must still be so in the appending transaction, such as the actor's grant."""
    ensures: Sequence[Ensure] = ()
    """What must be so after it, such as that an account still has an administrator."""
    bookkeeping: Bookkeeping = _nothing
    """The idempotency key of a request, or the inbox entry of an event."""
    answer: Mapping[str, Any] | None = None
    rehearsal: bool = False
    """Nothing is to come of it: the command's one commit is played through to its end, and taken back."""

    def under(self, grant: str | None, *guards: Statement) -> Self:
        """The same cause, now known to act under a grant that must still hold at the commit."""
        return replace(self, grant=grant, guards=(*self.guards, *guards))

    def under_each(self, grant_of: GrantOf) -> Self:
        """The same cause, with the grant that each of its events is made under."""
        return replace(self, grant_of=grant_of)

    def guarded_by(self, *guards: Statement) -> Self:
        """The same cause, refused unless these hold at the commit, before its events count."""
        return replace(self, guards=(*self.guards, *guards))

    def ensuring(self, *ensures: Ensure) -> Self:
        """The same cause, refused unless these hold at the commit, once its events count."""
        return replace(self, ensures=(*self.ensures, *ensures))

    def on_the_way(self) -> Self:
        """The same cause, for a commit that comes before its last one: only with the last one it is done and booked."""
        return replace(self, bookkeeping=_nothing)

    def answering(self, **answer: Any) -> Self:
        """The same cause, with the answer that the command will give: it is kept with the command's key."""
        return replace(self, answer=answer)

    def rehearsed(self) -> Self:
        """The same cause, of which nothing is to come: every rule is asked as ever, nothing is written."""
        return replace(self, rehearsal=True)


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a command: its answer and the versions it wrote (none when all was so already)."""

    seen: Seen
    answer: Mapping[str, Any]
    events: Sequence[Event] = ()
    """What it recorded, or would have, had it not been a rehearsal."""
