"""The operators' feed: the topic that they write, and what a record on it says. The records are no events of ours.

P7   A record may come again, late, out of order and in bulk. One that is not what the contract says is kept as it came.
P6   What looks like the number of a payment card is refused, and masked before anything is kept.

The contract that operators read is generated from here: deploy/contracts/feeds and the AsyncAPI document.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import Decimal
from functools import partial
from hashlib import blake2b
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic import model_validator as validator

from services.products.domain import plates
from services.products.domain.journeys import Journey
from services.products.views import carriers
from shared.broker import Topic, feed_of
from shared.errors import Refusal
from shared.free_text import line, masked

KEPT: Final = timedelta(days=90)
"""How long a record stays on the topic: a quarter can be taken in again. What counts is kept in our own table."""
RECORD: Final = "journey.v1"


def topic(prefix: str = "selfservice") -> Topic:
    """Where operators write: any number of them, keyed by the record's id, so that what contradicts comes in order."""
    return feed_of("journeys", prefix, keep=KEPT)


def _by_rule(rule: Callable[[str], str]) -> AfterValidator:
    """What a rule of ours makes of a text; its refusal makes the record malformed."""

    def kept(text: str) -> str:
        try:
            return rule(text)
        except Refusal as refused:
            raise ValueError(refused.code) from None

    return AfterValidator(kept)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class SeenDevice(_Part):
    """The device of a bizz answered."""

    device: str = Field(pattern="^9208[0-9]{12}$", examples=["9208000000000017"])

    @property
    def what(self) -> str:
        return carriers.device(self.device)


class SeenPlate(_Part):
    """A camera read a number plate; spaces and hyphens do not count."""

    country: Annotated[str, _by_rule(plates.country_code)] = Field(
        max_length=8, description="Two letters, such as DK, SE or DE.", examples=["DK"]
    )
    plate: Annotated[str, _by_rule(plates.normalised)] = Field(max_length=40, examples=["AB 12 345"])

    @property
    def what(self) -> str:
        return carriers.plate(self.country, self.plate)


class SeenProduct(_Part):
    """The operator knows the product itself, as with an eTicket that was shown."""

    product: str = Field(pattern="^product-[0-9a-f]{32}$", examples=["product-0195566e4c007a2b8f31d4c2b5a60008"])

    @property
    def what(self) -> str:
        return self.product


Money = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,9})\.[0-9]{2}$")]


class JourneyRecord(_Part):
    """One passage, crossing or parking that an operator charges."""

    model_config = ConfigDict(
        title="Journey record",
        json_schema_extra={
            "description": "One passage, crossing or parking that an operator charges. Key of the record: its `id`."
        },
    )

    record: Literal["journey.v1"] = Field(description="Which contract the record follows.")
    id: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$",
        description="The feed's own id: the same journey always carries the same one, no other journey ever does.",
        examples=["STB-2026-03-02-000017"],
    )
    operator: str = Field(pattern="^[a-z0-9][a-z0-9-]{0,39}$", examples=["storebaelt"])
    place: Annotated[str, _by_rule(partial(line, most=100))] = Field(max_length=200, examples=["Storebælt"])
    at: AwareDatetime = Field(
        description="When it was driven, with its offset.", examples=["2026-03-02T13:05:00+01:00"]
    )
    seen: SeenDevice | SeenPlate | SeenProduct = Field(union_mode="left_to_right")
    amount: Money = Field(description="The price with VAT, in the currency's own unit.", examples=["285.00"])
    vat: Money = Field(description="The VAT in it.", examples=["57.00"])
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217.", examples=["DKK"])

    @validator(mode="after")
    def _vat_is_a_part_of_the_amount(self) -> Self:
        if Decimal(self.vat) > Decimal(self.amount):
            raise ValueError("vat-above-amount")
        return self

    def journey(self) -> Journey:
        """What the record says, however it was written."""
        at = self.at.astimezone(UTC)
        said = (
            self.id,
            self.operator,
            self.place,
            at.isoformat(),
            self.seen.what,
            self.amount,
            self.vat,
            self.currency,
        )
        return Journey(
            self.id,
            self.operator,
            self.place,
            at,
            *(self.seen.what, self.amount, self.vat, self.currency),
            fingerprint=_fingerprint("\x1f".join(said).encode()),
        )


@dataclass(frozen=True, slots=True)
class Malformed:
    """A record that is not what the contract says, and why it is not."""

    detail: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Coming:
    """A record as it came, and what it says."""

    raw: bytes
    says: Journey | Malformed


def read(raw: bytes) -> Coming:
    """A record of the topic."""
    try:
        return Coming(raw, JourneyRecord.model_validate_json(raw).journey())
    except (ValidationError, OverflowError) as wrong:
        return Coming(_without_card_numbers(raw), Malformed(_what_is_wrong(wrong), _fingerprint(raw)))


def as_refused(coming: Coming, detail: str) -> Coming:
    """A record that no database takes, whatever it says."""
    return Coming(coming.raw, Malformed(detail, _fingerprint(coming.raw)))


def schema() -> dict[str, object]:
    """The JSON Schema of a record."""
    return JourneyRecord.model_json_schema()


SAMPLE: Final[Mapping[str, object]] = {
    "record": RECORD,
    "id": "STB-2026-03-02-000017",
    "operator": "storebaelt",
    "place": "Storebælt",
    "at": "2026-03-02T13:05:00+01:00",
    "seen": {"device": "9208000000000017"},
    "amount": "285.00",
    "vat": "57.00",
    "currency": "DKK",
}
"""One whole record; its price is invented."""


def _fingerprint(said: bytes) -> bytes:
    return blake2b(said, digest_size=16).digest()


def _what_is_wrong(wrong: Exception) -> str:
    """The fields and the rules they break, without what stands in them."""
    if not isinstance(wrong, ValidationError):
        return type(wrong).__name__
    errors = wrong.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(f"{_where(error['loc'])}: {error['msg']}" for error in errors)[:500]


def _where(path: Sequence[int | str]) -> str:
    return ".".join(str(step) for step in path) or "record"


def _without_card_numbers(raw: bytes) -> bytes:
    """As it came, save for what looks like the number of a payment card (P6); what is no text stays as it is."""
    try:
        return masked(raw.decode()).encode()
    except UnicodeDecodeError:
        return raw
