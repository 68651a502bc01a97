"""Two companies made alike in the running system, and everybody who will ask: nobody is granted anything by hand.

What stands in the free texts of Nordlys holds a canary, a word that occurs nowhere else: whoever is shown one that is
not theirs has been shown something of Nordlys.
"""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from deploy.demo.person import Person
from deploy.sample import STAFF
from shared.ids import new_id

CANARY: Final = "Qzk7"
CANARIES: Final = (
    *(CANARY.lower(), "71717171", "71 00 00 01", "71 00 00 02"),
    *("qz71701", "qz71702", "qz71703", "wvwzzz1jzx7171717", "9208000071717171"),
)
"""All of them, in small letters; where no word can stand (CVR, telephone, plate, VIN, device) there is a number."""

NORDLYS: Final[Mapping[str, str]] = {
    "cvr": "71717171",
    "legal_name": f"Nordlys {CANARY} ApS",
    "contact_person": f"Nora {CANARY}",
    "contact_email": f"office@{CANARY.lower()}.example.com",
    "phone": "+45 71 00 00 01",
    "own_phone": "+45 71 00 00 02",
    "postal_address": f"{CANARY}vej 1, 2150 Nordhavn",
    "invoice_email": f"invoice@{CANARY.lower()}.example.com",
    "account_name": f"{CANARY} Road",
    "other_name": f"{CANARY} Harbour",
    "surname": CANARY,
    "domain": f"{CANARY.lower()}.example.com",
    "reference": f"{CANARY} Van 1",
    "make": f"{CANARY} Volvo",
    "model": f"{CANARY} FH16",
    "vehicle_plate": "QZ71703",
    "plate": "QZ71701",
    "eticket_plate": "QZ71702",
    "vin": "WVWZZZ1JZX7171717",
    "device": "9208000071717171",
}
HAVNEFART: Final[Mapping[str, str]] = {
    "cvr": "20202020",
    "legal_name": "Havnefart A/S",
    "contact_person": "Inge Ibsen",
    "contact_email": "office@havnefart.example.com",
    "phone": "+45 20 00 00 01",
    "own_phone": "+45 20 00 00 02",
    "postal_address": "Kajen 2, 8000 Aarhus",
    "invoice_email": "invoice@havnefart.example.com",
    "account_name": "Quay",
    "other_name": "Pier",
    "surname": "Hav",
    "domain": "havnefart.example.com",
    "reference": "Van 1",
    "make": "Scania",
    "model": "R500",
    "vehicle_plate": "HV20203",
    "plate": "HV20201",
    "eticket_plate": "HV20202",
    "vin": "WVWZZZ1JZXW000002",
    "device": "9208000020202020",
}
CONFIRMED: Final = {"confirm": True}


@dataclass
class Company:
    """What there is of a company, by the names that asks use; and its people, logged in."""

    things: dict[str, str]
    people: dict[str, Person] = field(default_factory=dict)


@dataclass(frozen=True)
class Cast:
    """Both companies and customer service."""

    staff: Person
    nordlys: Company
    havnefart: Company

    def sessions(self) -> dict[str, str]:
        """The sessions of those who ask, by the names that `expected.py` gives them."""
        ours, theirs = self.nordlys.people, self.havnefart.people
        return {
            "expired session": ours["late"].session,
            "cancelled profile": ours["former"].session,
            "driver": ours["driver"].session,
            "administrator of another account": ours["other_administrator"].session,
            "administrator of the account": ours["administrator"].session,
            "main administrator": ours["main_administrator"].session,
            "driver of another company": theirs["driver"].session,
            "administrator of another company": theirs["administrator"].session,
            "main administrator of another company": theirs["main_administrator"].session,
            "customer service": self.staff.session,
        }

    def everybody(self) -> list[Person]:
        return [self.staff, *self.nordlys.people.values(), *self.havnefart.people.values()]


async def prepare(url: str) -> Cast:
    """Everything there is, made through the public API alone."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        staff = Person(http, STAFF[0])
        await staff.log_in()
        cast = Cast(staff, *await asyncio.gather(*(_founded(http, staff, known) for known in (NORDLYS, HAVNEFART))))
        await _all_is_known_everywhere(cast)
        await asyncio.gather(*map(_has_ended, (cast.nordlys, cast.havnefart)))
        former = cast.nordlys
        await _ask(former.people["administrator"], f"/profiles/{former.things['former']}/cancel", CONFIRMED)
        while (await former.people["former"].send("GET", "/login/sessions/current")).status_code != 401:
            await asyncio.sleep(0.1)
    return cast


async def _founded(http: httpx.AsyncClient, staff: Person, known: Mapping[str, str]) -> Company:
    """A company with its agreement, three accounts, products of every kind, and its people."""
    company = Company(dict(known))
    things = company.things
    things["parked_journey"] = new_id("parked")  # nothing is parked: customer service would see it, nobody else
    administrator = _named(http, company, "administrator")
    contact = {name: known[name] for name in _CONTACT}
    form = {name: known[name] for name in ("cvr", "legal_name", "account_name")} | {"payment": "invoice"}
    made = await _ask(staff, "/companies", {**contact, **form, "administrator": administrator})
    things |= {"company": made["company_id"], "account": made["account_id"], "number": made["customer_number"]}
    things["card"] = f"card-{made['account_id'].rpartition('-')[2]}"  # who pays by invoice has none: it is nobody's
    await _first_log_in(company, staff, "administrator")
    things |= await _agreed(staff, company, _named(http, company, "former"), "ended_agreement", "ended_account")
    await _ask(staff, f"/agreements/{things['ended_agreement']}/end", CONFIRMED)
    new = _named(http, company, "main_administrator")
    things |= await _agreed(staff, company, new, "agreement", "framework_account")
    await _first_log_in(company, staff, "main_administrator")
    await _more_accounts_and_products(company)
    await _dispatched(staff, company)
    await _declined(staff, company)
    await _more_people(http, company)
    await _some_of_it_ended(company)
    return company


async def _agreed(staff: Person, company: Company, named: dict[str, str], *names: str) -> dict[str, str]:
    """A framework agreement and its framework account, by the names that asks use."""
    path = f"/companies/{company.things['company']}/framework-agreement"
    made = await _ask(staff, path, {"main_administrator": named})
    return dict(zip(names, (made["agreement_id"], made["framework_account_id"]), strict=True))


_CONTACT = ("contact_person", "contact_email", "phone", "postal_address", "invoice_email")


async def _more_accounts_and_products(company: Company) -> None:
    things, people = company.things, company.people
    main, administrator = people["main_administrator"], people["administrator"]
    made = await _ask(main, f"/agreements/{things['agreement']}/accounts", {"name": things["other_name"]})
    things["other_account"] = made["account_id"]
    orders = f"/accounts/{things['account']}/products"
    for name, order in _orders(things).items():
        things[name] = (await _ask(administrator, orders, order))["product_id"]
    made = await _ask(main, f"/accounts/{things['ended_account']}/products", {"kind": "bizz"})
    things["closed"] = made["product_id"]
    things["bulk"] = await _in_bulk(administrator, things)
    vehicle = {**{name: things[name] for name in ("make", "model")}, "vehicle_type": "lorry"}
    await administrator.ask(
        "PUT", f"/products/{things['product']}/vehicle", {**vehicle, "plate": things["vehicle_plate"]}, expect=200
    )


async def _in_bulk(who: Person, things: Mapping[str, str]) -> str:
    """A file of orders that is worked through to its end; nothing comes of it, for it holds no order."""
    file = base64.b64encode(b"kind,plate\nbizz,not for a bizz\n").decode()
    form = {"file": file, "mode": "all-or-nothing", "name": f"{things['surname']} file"}
    bulk = str((await _ask(who, f"/accounts/{things['account']}/bulk-orders", form))["bulk_id"])
    while (await who.ask("GET", f"/bulk-orders/{bulk}", expect=200))["finished_at"] is None:
        await asyncio.sleep(0.1)
    return bulk


def _orders(things: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    eticket = {"kind": "eticket", "country": "DK", "plate": things["eticket_plate"], "vin": things["vin"]}
    confirmed = {"details_are_right": True, "may_be_used_everywhere": True}
    return {
        "product": {"kind": "bizz", "reference": things["reference"]},
        "plate_payment": {"kind": "number-plate-payment", "country": "DK", "plate": things["plate"]},
        "eticket": {**eticket, **confirmed, "vehicle_type": "lorry", "trips": 2},
        "dispatched": {"kind": "bizz", "reference": f"{things['surname']} sent out"},
    }


async def _dispatched(staff: Person, company: Company) -> None:
    staff.has_seen(company.people["administrator"])
    path = f"/products/{company.things['dispatched']}/dispatch"
    await _ask(staff, path, {"device_number": company.things["device"]})


async def _declined(staff: Person, company: Company) -> None:
    """A change that was asked for, and that customer service did not agree to."""
    things, administrator = company.things, company.people["administrator"]
    wish = {"kind": "legal-name", "legal_name": f"{things['surname']} Brothers ApS"}
    made = await _ask(administrator, f"/companies/{things['company']}/change-requests", wish)
    things["change_request"] = made["change_request_id"]
    staff.has_seen(administrator)
    reason = {"reason": f"Nobody called {things['surname']} is known."}
    await _ask(staff, f"/change-requests/{things['change_request']}/decline", reason)


async def _more_people(http: httpx.AsyncClient, company: Company) -> None:
    """Those whom the administrators create, two of whom will not be let in any more when it begins."""
    things, people = company.things, company.people
    administrator = people["administrator"]
    administrator.has_seen(people["main_administrator"])
    created = {
        "driver": ("product-access", "product"),
        "other_administrator": ("account-administrator", "other_account"),
        "late": ("account-administrator", "account"),
        "former": ("account-administrator", "account"),
    }
    for name, (kind, thing) in created.items():
        by = people["main_administrator"] if thing == "other_account" else administrator
        person = _named(http, company, name)
        await _ask(by, "/profiles", {**person, "grants": [{"kind": kind, "id": things[thing]}]})
    await asyncio.gather(*(_first_log_in(company, administrator, name) for name in created))
    driver = people["driver"]
    details = {"name": f"Driver {things['surname']}", "phone": things["own_phone"]}
    await driver.ask("PUT", "/profiles/me/contact-details", details, expect=200)


async def _some_of_it_ended(company: Company) -> None:
    """What was there once: an account with its product and who had access to it, an access that came and went."""
    things, main = company.things, company.people["main_administrator"]
    main.has_seen(company.people["administrator"])
    late, change = things["late"], {"kind": "product-access", "id": things["plate_payment"]}
    await _ask(main, f"/profiles/{late}/changes", {"grant": [change, _on_account(things["ended_account"])]})
    await _ask(main, f"/profiles/{late}/changes", {"revoke": [change]})
    await _ask(main, f"/accounts/{things['ended_account']}/end", CONFIRMED)


def _on_account(account: str) -> dict[str, str]:
    return {"kind": "account-administrator", "id": account}


async def _has_ended(company: Company) -> None:
    """Whatever follows from an end has followed everywhere, so that nothing happens while it is asked."""
    main, ended = company.people["main_administrator"], company.things["ended_account"]
    while await _open_or_granted(main, company.things["closed"], company.things["late"], ended):
        await asyncio.sleep(0.1)


async def _open_or_granted(main: Person, product: str, profile: str, account: str) -> bool:
    told = await main.ask("GET", f"/products/{product}", expect=200)
    person = await main.ask("GET", f"/profiles/{profile}", expect=200)
    return told["state"] != "closed" or _on_account(account) in person["grants"]


def _named(http: httpx.AsyncClient, company: Company, name: str) -> dict[str, str]:
    """Somebody by the name that asks use, with an address of their own."""
    email = f"{name.replace('_', '-')}@{company.things['domain']}"
    company.people[name] = Person(http, email)
    company.things[f"{name}_email"] = email
    return {"email": email, "name": f"{name.replace('_', ' ').capitalize()} {company.things['surname']}"}


async def _first_log_in(company: Company, inviter: Person, name: str) -> None:
    person = company.people[name]
    await person.wait_for_mail("invit")
    session = await person.log_in()
    person.has_seen(inviter)
    company.things[name] = session["subject"].partition(":")[2]
    company.things[f"{name}_session"] = session["session_id"]


async def _ask(who: Person, path: str, body: Any) -> dict[str, Any]:
    """A command that has to be done."""
    answer = await who.send("POST", path, body)
    assert answer.status_code in {200, 201, 202}, f"{path}: {answer.status_code} {answer.text}"
    made: dict[str, Any] = answer.json()
    return made


async def _all_is_known_everywhere(cast: Cast) -> None:
    """Every service has applied all that anybody has seen, before the first question is asked."""
    for person in cast.everybody():
        cast.staff.has_seen(person)
        for path in ("/companies", "/products", "/profiles", f"/history/{cast.nordlys.things['company']}"):
            answer = await cast.staff.send("GET", path)
            assert answer.status_code == 200, answer.text
