"""Refusals: the named answers a rule gives when it says no.

A refusal is part of the domain: it has a stable `code`, the number of the rule that refuses, and a sentence for people.
What is not a refusal is a defect and is never caught to be turned into one. `shared.http.problems` is the one place
that turns each kind of refusal into an HTTP answer.
"""

from typing import ClassVar


class Refusal(Exception):
    """Base of every refusal; raise one of the kinds below through a subclass with a code of its own."""

    code: ClassVar[str] = "refused"
    rule: str | None = None

    def __init__(self, detail: str = "", **facts: str | int) -> None:
        super().__init__(detail or (self.__doc__ or self.code).splitlines()[0])
        self.facts = facts
        """What a client may want to know beside the sentence; never anything outside its reach."""

    @property
    def detail(self) -> str:
        """The sentence for people."""
        return str(self)


class Invalid(Refusal):
    """The request itself is wrong; asking again in the same way will never help."""

    code = "invalid"


class Unauthenticated(Refusal):
    """Nobody is logged in here."""

    code = "unauthenticated"


class Forbidden(Refusal):
    """The thing is visible to the asker, the action is out of reach."""

    code = "forbidden"


class NotFound(Refusal):
    """There is no such thing within the asker's reach."""

    code = "not-found"


class Conflict(Refusal):
    """A rule refuses the command in the present state."""

    code = "conflict"


class TooMany(Refusal):
    """A limit is reached; `retry_after` tells after how many seconds to ask again."""

    code = "too-many-requests"

    def __init__(self, detail: str = "", *, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class Unavailable(Refusal):
    """The service cannot answer truthfully just now; `retry_after` tells after how many seconds to ask again."""

    code = "unavailable"

    def __init__(self, detail: str = "", *, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
