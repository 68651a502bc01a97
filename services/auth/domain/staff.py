"""Staff: a person of customer service, who may log in; not a profile type.

C6   Customer service sets companies up. Who belongs to it is said on the command line, never over HTTP.
"""

from dataclasses import dataclass

from services.auth.events import StaffAdded
from shared.email_address import normalised
from shared.errors import Conflict
from shared.free_text import line

NAME = 120
"""The most characters of a name."""


class StaffAddressTaken(Conflict):
    """Somebody of customer service already logs in with this e-mail address."""

    code = "staff-address-taken"
    rule = "L1"


@dataclass(frozen=True, slots=True)
class Staff:
    """What the rules ask of a member of staff; `Staff()` is nobody yet."""

    id: str = ""


def evolve(_staff: Staff, event: StaffAdded) -> Staff:
    """The person after one more event of their history."""
    return Staff(event.staff_id)


def add_staff(staff: Staff, *, staff_id: str, email: str, name: str) -> list[StaffAdded]:
    """Somebody of customer service may log in. Raises EmailMalformed, TextMalformed."""
    address = normalised(email)
    if staff.id:
        return []
    return [StaffAdded(staff_id=staff_id, email=email.strip(), address=address, name=line(name, most=NAME))]
