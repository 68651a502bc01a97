"""The golden sample of an event: one whole record as it is on its topic, made once when the event is new.

What a field holds in a sample stands in one table here, so that the samples tell one story: customer service registers
Nordlys Transport ApS, Anna Lund administers its account, Dora Dahl drives with the bizz.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args, get_origin

import orjson
from eventsourcing.persistence import Notification

from shared.actor import Actor
from shared.broker import topic_of
from shared.envelope import Recorded, to_state, wire
from shared.events import Event

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def _id(kind: str, last: int) -> str:
    return f"{kind}-0195566e4c007a2b8f31d4c2b5a6{last:04x}"


ANNA, DORA = _id("profile", 1), _id("profile", 2)
SUSANNE = _id("staff", 3)
NORDLYS, AGREEMENT = _id("company", 4), _id("agreement", 5)
ACCOUNT, FRAMEWORK_ACCOUNT = _id("account", 6), _id("account", 7)
BIZZ = _id("product", 8)

FIELDS: Mapping[str, Any] = {
    "about": [DORA, BIZZ],
    "account_id": ACCOUNT,
    "account_ids": [ACCOUNT, FRAMEWORK_ACCOUNT],
    "address": "anna@nordlys.example.com",
    "again_at": datetime(2026, 3, 2, 12, 1, tzinfo=UTC),
    "agreement_id": AGREEMENT,
    "alarm_id": "alarm-000000000000000000000000000783fc",
    "amount": "285.00",
    "app_id": _id("app", 14),
    "at": datetime(2026, 3, 2, 12, 5, tzinfo=UTC),
    "attempt_id": _id("attempt", 9),
    "bulk_id": _id("bulk", 16),
    "brand": "visa",
    "card_id": _id("card", 15),
    "cards_id": "cards-" + ACCOUNT.rpartition("-")[2],
    "challenge_id": _id("challenge", 10),
    "closed_at_partners_by": datetime(2026, 3, 3, 12, 0, tzinfo=UTC),
    "code": "email-has-product-access",
    "company_id": NORDLYS,
    "completes": True,
    "confirmed_by": f"staff:{SUSANNE}",
    "contact_email": "office@nordlys.example.com",
    "contact_person": "Nora Nord",
    "count": 10,
    "counted": 1_000_017,
    "country": "DK",
    "currency": "DKK",
    "customer_number": "10000017",
    "cvr": "10150817",
    "done": 118,
    "device_number": "9208000000000017",
    "email": "Anna@nordlys.example.com",
    "end": 1_000_000,
    "ends_at": datetime(2026, 3, 2, 20, 0, tzinfo=UTC),
    "entity_id": DORA,
    "entries": 42,
    "ean": "5790000000005",
    "expected_yearly_usage_dkk": None,
    "failures": 80,
    "first": 900_000,
    "fingerprint": "1f6a0c2b7d3e49588c21aa0495e1d7f3",
    "framework_account_id": FRAMEWORK_ACCOUNT,
    "invalid": 1,
    "expiry_month": 4,
    "expiry_year": 2026,
    "good_until": datetime(2026, 4, 30, 22, 0, tzinfo=UTC),
    "invoice_email": "invoice@nordlys.example.com",
    "intake_id": "intake-00000000000000000000000020260302",
    "journey_id": "STB-2026-03-02-000017",
    "key_id": _id("key", 11),
    "last_four": "4242",
    "legal_name": "Nordlys Transport ApS",
    "login_id": _id("login", 1),
    "make": "Volvo",
    "model": "FH16",
    "moments": [datetime(2026, 2, 1, 12, 0, tzinfo=UTC), NOON],
    "name": "Anna Lund",
    "not_ordered": 0,
    "new_card_id": _id("card", 16),
    "not_after": datetime(2026, 4, 1, 12, 0, tzinfo=UTC),
    "operation": "POST /profiles/{profile_id}/grants",
    "operator": "storebaelt",
    "parked": 12,
    "parked_id": _id("parked", 15),
    "phone": "+45 20 30 40 50",
    "place": "Storebælt",
    "plate": "AB12345",
    "postal_address": "Havnegade 1, 5000 Odense C, Danmark",
    "product_id": BIZZ,
    "profile_id": ANNA,
    "proposed_by": f"profile:{DORA}",
    "public_key": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg",
    "reading_id": _id("reading", 12),
    "reason": "This e-mail address has access to another product.",
    "change_request_id": _id("change-request", 15),
    "requested_by": ANNA,
    "refused": 1,
    "redrive_id": _id("redrive", 16),
    "reference": "Lastbil 7, Ærø",
    "rows": 120,
    "rule": "A8",
    "session_id": _id("session", 13),
    "since": datetime(2026, 3, 2, 11, 0, tzinfo=UTC),
    "staff_id": SUSANNE,
    "sub_account_ids": [ACCOUNT],
    "subject": f"profile:{ANNA}",
    "to": "Nordlys Logistik ApS",
    "trips": 2,
    "trips_left": 1,
    "until": datetime(2026, 3, 3, 12, 0, tzinfo=UTC),
    "usable_at_storebaelt_from": datetime(2026, 3, 2, 12, 20, tzinfo=UTC),
    "usable_elsewhere_from": datetime(2026, 3, 3, 12, 0, tzinfo=UTC),
    "vat": "57.00",
    "vehicle_type": "lorry",
    "vin": "YV2RT40A5KB123456",
}

_EMAIL_CHANGE = _id("email-change", 14)
_NEW_EMAIL, _NEW_ADDRESS = "Anna.Lund@nordlys.example.com", "anna.lund@nordlys.example.com"

OF_AN_EVENT: Mapping[str, Mapping[str, Any]] = {
    "auth.guessing-suspected": {"failures": 1000},
    "auth.staff-added": {"email": "Susanne@example.com", "address": "susanne@example.com", "name": "Susanne Holm"},
    "auth.email-change-requested": {"challenge_id": _EMAIL_CHANGE, "email": _NEW_EMAIL, "address": _NEW_ADDRESS},
    "auth.address-proven": {"challenge_id": _EMAIL_CHANGE, "email": _NEW_EMAIL, "address": _NEW_ADDRESS},
    "company.account-opened": {"name": "Odense depot"},
    "company.account-renamed": {"name": "Odense depot, nord"},
    "company.change-requested": {"ean": None},
    "company.change-request-declined": {"reason": "The register of companies has another name."},
    "company.cvr-changed": {"cvr": "10150825"},
    "company.invoice-format-changed": {"invoice_format": "ean"},
    "company.legal-name-changed": {"legal_name": "Nordlys Logistik ApS"},
    "products.bulk-order-received": {"name": "March"},
    "products.parked-journeys-redriven": {"reason": "unknown"},
    "profiles.product-access-granted": {"profile_id": DORA},
    "profiles.product-access-revoked": {"profile_id": DORA},
    "profiles.email-changed": {"email": _NEW_EMAIL, "address": _NEW_ADDRESS},
    "profiles.email-change-refused": {"email": _NEW_EMAIL},
    "profiles.contact-details-changed": {"profile_id": DORA, "name": "Dora Dahl"},
    "profiles.profile-cancelled": {"profile_id": DORA},
}
"""Where an event needs another value than the usual one, by its name without the version."""


_BY_ANNA = (Actor("profile", ANNA), f"account-administrator:{ACCOUNT}")
BY: Mapping[str, tuple[Actor, str | None]] = {
    "auth": (Actor("system", "auth"), None),
    "company": (Actor("staff", SUSANNE), "customer-service"),
}
"""Who causes what a service says, and under which grant, where it is not Anna."""


class NoSampleError(LookupError):
    """Nobody has said what a field holds in a sample."""


def content_of(event: type[Event]) -> dict[str, Any]:
    """What the event's sample says. Raises NoSampleError for a field without a value in the tables."""
    special = OF_AN_EVENT.get(event.type.rpartition(".v")[0], {})
    return {name: _value(event, name, special) for name in event.model_fields}


def _value(event: type[Event], name: str, special: Mapping[str, Any]) -> Any:
    annotation = event.model_fields[name].annotation
    if name in special:
        return special[name]
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    if name not in FIELDS:
        raise NoSampleError(f"{event.type}: say what {name} holds in a sample (deploy/samples.py)")
    return FIELDS[name]


def sample_of(event: type[Event]) -> dict[str, Any]:
    """The record as a subscriber meets it: topic, key, headers and value. Raises NoSampleError."""
    content = content_of(event)
    service, stream = event.type.split(".")[0], str(next(iter(content.values())))
    actor, grant = BY.get(service, _BY_ANNA)
    recorded = Recorded(
        id="0195566e4c007a2b8f31d4c2b5a6e4e7",
        source=service,
        stream=stream,
        version=7,
        position=128,
        time=NOON,
        actor=actor,
        grant=grant,
        correlation="0195566e4bff7c0d9a1e2f3041526374",
        causation=None,
        data=event.model_validate(content),
    )
    headers, value = wire(service, Notification(stream, 7, event.type, to_state(recorded), id=128))
    return {
        "topic": topic_of(service).name,
        "key": stream,
        "headers": {name: content.decode() for name, content in headers},
        "value": orjson.loads(value),
    }
