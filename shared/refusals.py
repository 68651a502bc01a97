"""The shape of the event that records a refused attempt (every refused attempt is part of the history, rule H1)."""

from shared.events import Event, Plain, Pseudonym


class RefusedAttempt(Event):
    """Somebody asked for something that a rule refused; who and when stand in the envelope.

    Each service declares its own under its own name, so that a subscriber of one topic knows all that it may meet.
    """

    attempt_id: Pseudonym[str]
    operation: Plain[str]
    """What was asked, as `METHOD /path/with/{names}`."""
    about: Pseudonym[tuple[str, ...]]
    """The identifiers that the request named, in the order in which it named them."""
    code: Plain[str]
    rule: Plain[str | None]
    reason: Plain[str]
    """Why it was refused: a code for machines, never what the request carried."""
