"""Z-11, A4, A5, A6, A10, A11, A12: nobody gives themselves or others more than they may, by whatever way."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.access.asking import filled
from tests.access.conftest import World

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.usefixtures("unchanged")]

MAIN, ACCOUNT, PRODUCT = "main-administrator", "account-administrator", "product-access"
DRIVER, OTHER, ANNA = "driver", "administrator of another account", "administrator of the account"
METTE, HANS, MAJA = "main administrator", "administrator of another company", "main administrator of another company"
STAFF = "customer service"

Try = tuple[str, str, str, Any, int, str | None]
"""Who tries, what it is, the path, the body, and the status and the rule that must be answered."""


def grant(kind: str, thing: str) -> dict[str, str]:
    return {"kind": kind, "id": f"{{{thing}}}"}


def to(who: str, *grants: dict[str, str]) -> dict[str, Any]:
    return {"email": f"{{{who}_email}}", "name": "Somebody", "grants": list(grants)}


def promoting_oneself() -> Iterator[Try]:
    """By creating the profile that one has already, or by a grant to it."""
    for kind, thing in ((MAIN, "agreement"), (ACCOUNT, "account"), (PRODUCT, "product")):
        yield DRIVER, "a driver", "/profiles", to("driver", grant(kind, thing)), 403, "A6"
        yield DRIVER, "a driver", "/profiles/{driver}/grants", grant(kind, thing), 404, None
    for who, name in ((OTHER, "other_administrator"), (ANNA, "administrator")):
        yield who, "to main administrator", "/profiles", to(name, grant(MAIN, "agreement")), 403, "A5"
        yield who, "to main administrator", f"/profiles/{{{name}}}/grants", grant(MAIN, "agreement"), 403, "A5"
        yield who, "of the framework account", "/profiles", to(name, grant(ACCOUNT, "framework_account")), 404, None
    yield OTHER, "of another account", "/profiles", to("other_administrator", grant(ACCOUNT, "account")), 404, None
    yield OTHER, "another's product", "/profiles", to("other_administrator", grant(PRODUCT, "product")), 404, None
    for who in (HANS, MAJA):
        for kind, thing in ((MAIN, "agreement"), (ACCOUNT, "account"), (PRODUCT, "plate_payment")):
            yield who, "in another company", "/profiles", to("late", grant(kind, thing)), 404, None


def giving_others_more_than_one_may() -> Iterator[Try]:
    yield ANNA, "higher than oneself", "/profiles/{driver}/grants", grant(MAIN, "agreement"), 403, "A5"
    yield ANNA, "elsewhere", "/profiles/{driver}/grants", grant(ACCOUNT, "other_account"), 404, None
    both = (grant(PRODUCT, "plate_payment"), grant(MAIN, "agreement"))
    yield ANNA, "one that one may and one that one may not", "/profiles", to("late", *both), 403, "A5"
    yield ANNA, "over oneself", "/profiles/{main_administrator}/revoke", grant(MAIN, "agreement"), 403, "A5"
    yield ANNA, "over oneself", "/profiles/{main_administrator}/cancel", {"confirm": True}, 403, "A11"
    yield OTHER, "beside oneself", "/profiles/{administrator}/revoke", grant(ACCOUNT, "account"), 404, None
    yield OTHER, "beside oneself", "/profiles/{administrator}/cancel", {"confirm": True}, 404, None
    yield HANS, "elsewhere", "/profiles/{administrator}/cancel", {"confirm": True}, 404, None
    yield STAFF, "what is cancelled", "/profiles/{former}/grants", grant(ACCOUNT, "account"), 409, "A11"


def the_last_administrator() -> Iterator[Try]:
    """Mette is the only one whom the framework account has (A12)."""
    yield METTE, "by revoking", "/profiles/{main_administrator}/revoke", grant(MAIN, "agreement"), 409, "A12"
    yield METTE, "by cancelling", "/profiles/{main_administrator}/cancel", {"confirm": True}, 409, "A12"


def taking_one_thing_for_another() -> Iterator[Try]:
    """A grant is on a thing of its own kind; not even customer service can make one that is not."""
    for who in (METTE, STAFF):
        for kind, things in (
            (MAIN, ("account", "company", "product", "driver")),
            (ACCOUNT, ("agreement", "company", "product", "driver")),
            (PRODUCT, ("account", "agreement", "company", "driver")),
        ):
            for thing in things:
                yield who, f"{kind} on {thing}", "/profiles", to("late", grant(kind, thing)), 404, None
                yield who, f"{kind} on {thing}", "/profiles/{late}/grants", grant(kind, thing), 404, None


@pytest.mark.parametrize(
    "tries",
    [promoting_oneself, giving_others_more_than_one_may, the_last_administrator, taking_one_thing_for_another],
    ids=lambda tries: tries.__name__.replace("_", " "),
)
def test_z11_nobody_gets_more_by(world: World, tries: Any) -> None:
    for who, what, path, body, status, rule in tries():
        answer = world.ask(who, "POST", f"/api/v1{filled(path, world.ours)}", filled(body, world.ours))
        told = answer.json()
        assert (answer.status_code, told.get("rule")) == (status, rule), f"{who}, {what}, {path}, {body}: {answer.text}"


def test_a4_a_main_administrator_does_nothing_in_another_agreement(world: World) -> None:
    for path, body in (
        (f"/agreements/{world.theirs['agreement']}/accounts", {"name": "Mine"}),
        (f"/accounts/{world.theirs['account']}/products", {"kind": "bizz"}),
        (f"/products/{world.theirs['product']}/close", {"confirm": True}),
    ):
        assert world.ask(METTE, "POST", f"/api/v1{path}", body).status_code == 404, path
