"""Customer service: who of the operator's own people may log in."""

from functools import partial

from services.auth.domain import staff as members
from services.auth.domain.staff import StaffAddressTaken
from services.auth.use_cases.categories import STAFF
from services.auth.views import staff
from shared.cause import Cause, Written
from shared.database import Database
from shared.email_address import normalised
from shared.eventstore.streams import Streams
from shared.ids import new_id


class StaffMembers:
    """What the command line does."""

    def __init__(self, streams: Streams, database: Database) -> None:
        self._streams = streams
        self._database = database

    async def add(self, email: str, name: str, cause: Cause) -> Written:
        """Let somebody of customer service log in; answers their `staff_id`, the one they have if they have one.

        Raises EmailMalformed, TextMalformed, StaffAddressTaken when the address is another person's.
        """
        known = await staff.by_address(self._database, normalised(email))
        if known is not None and known["name"] == " ".join(name.split()):
            return Written((), {"staff_id": known["staff_id"]})
        if known is not None:
            raise StaffAddressTaken
        staff_id = new_id("staff")
        decide = partial(members.add_staff, staff_id=staff_id, email=email, name=name)
        return await self._streams.change(STAFF, staff_id, decide, cause.answering(staff_id=staff_id))
