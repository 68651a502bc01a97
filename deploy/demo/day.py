"""The day of two companies, step by step. Every step checks what it says; the first thing that is wrong ends it."""

import asyncio
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from deploy.demo.person import Person, Unexpected

GRANTS_AT_ONCE = 200
CLOSED_WITHIN_SECONDS = 1.0

Say = Callable[[str], None]


@dataclass
class Cast:
    """Who and what the day is about; addresses carry the day's own mark, so that it can be played again."""

    mark: str
    ids: dict[str, str] = field(default_factory=dict)

    def address(self, name: str, company: str) -> str:
        return f"{name}.{self.mark}@{company}.example.com"

    def plate(self, letters: str) -> str:
        return f"{letters}{int(self.mark, 16) % 100_000:05d}"

    def cvr(self, first: int) -> str:
        return f"{first}{int(self.mark, 16) % 10_000_000:07d}"


class Day:
    """The steps; each may be told in its own words."""

    def __init__(self, http: httpx.AsyncClient, staff_email: str, say: Say, mark: str | None = None) -> None:
        self.http = http
        self.say = say
        self.cast = Cast(mark or secrets.token_hex(4))
        self.staff = Person(http, staff_email)
        self.anna = Person(http, self.cast.address("anna", "nordlys"))
        self.hans = Person(http, self.cast.address("hans", "havnefart"))
        self.driver = Person(http, self.cast.address("dora", "nordlys"))
        self.mette = Person(http, self.cast.address("mette", "nordlys"))

    async def play(self, *, grants_at_once: int = GRANTS_AT_ONCE) -> None:
        """The whole day. Raises Unexpected at the first thing that is not as it must be."""
        await self.customer_service_registers_two_companies()
        await self.administrators_order_products()
        await self.a_driver_sees_one_product_and_nothing_else()
        await self.an_address_has_one_product(grants_at_once)
        await self.a_framework_agreement_is_opened()
        await self.the_bizz_is_closed()
        await self.the_history_answers()

    # 1 ---------------------------------------------------------------------------------------------------------------

    async def customer_service_registers_two_companies(self) -> None:
        self.say("1. Customer service logs in with the mailed code and registers two companies")
        await self.staff.log_in()
        ids = self.cast.ids
        for key, name, first, payment, admin in (
            ("nordlys", "Nordlys Transport ApS", 1, "invoice", self.anna),
            ("havnefart", "Havnefart A/S", 2, "card", self.hans),
        ):
            company = {
                "cvr": self.cast.cvr(first),
                "legal_name": name,
                "payment": payment,
                "contact_person": "Inge Ibsen",
                "contact_email": f"office@{key}.example.com",
                "account_name": "Main account",
                "administrator": {"email": admin.email, "name": re.split("[.@]", admin.email)[0].title()},
            }
            key_ = secrets.token_hex(8)
            made = await self.staff.ask("POST", "/companies", company, expect=201, key=key_)
            again = await self.staff.ask("POST", "/companies", company, expect=201, key=key_)
            _must(made == again, "the same command with the same key is answered the same")
            ids[f"{key} company"], ids[f"{key} account"] = made["company_id"], made["account_id"]
            self.say(f"   {name}: account {made['customer_number']}")

    # 2 ---------------------------------------------------------------------------------------------------------------

    async def administrators_order_products(self) -> None:
        self.say("2. The invited administrators log in and order")
        for admin, inviter in ((self.anna, "nordlys"), (self.hans, "havnefart")):
            mail = await admin.wait_for_mail("invit")
            self.say(f"   mail to {admin.email}: {mail['subject']}")
            await admin.log_in()
            await self._sees_account(admin, self.cast.ids[f"{inviter} account"])
        orders = f"/accounts/{self.cast.ids['nordlys account']}/products"
        self.cast.ids["bizz"] = await self._order(self.anna, orders, {"kind": "bizz", "reference": "Van 1"})
        plate = {"kind": "number-plate-payment", "country": "DK", "plate": self.cast.plate("AB")}
        self.cast.ids["plate payment"] = await self._order(self.anna, orders, plate)
        self.cast.ids["eticket"] = await self._order(self.anna, orders, self._eticket("CD"))
        theirs = f"/accounts/{self.cast.ids['havnefart account']}/products"
        await self._refused(self.hans, "POST", theirs, self._eticket("EF"), (409, "P3"))
        await self._refused(self.hans, "POST", theirs, plate, (409, "P2"))

    def _eticket(self, letters: str) -> dict[str, Any]:
        return {
            "kind": "eticket",
            "country": "DK",
            "plate": self.cast.plate(letters),
            "vin": "WVWZZZ1JZXW000001",
            "vehicle_type": "lorry",
            "trips": 2,
            "details_are_right": True,
            "may_be_used_everywhere": True,
        }

    # 3 ---------------------------------------------------------------------------------------------------------------

    async def a_driver_sees_one_product_and_nothing_else(self) -> None:
        self.say("3. A driver gets access to the bizz, sees it, and nothing else")
        ids, driver = self.cast.ids, self.driver
        made = await self.anna.ask(
            "POST", "/profiles", self._person(driver.email, "product-access", ids["bizz"]), expect=201
        )
        ids["driver"] = made["profile_id"]
        await driver.wait_for_mail("invit")
        await driver.log_in()
        seen = await self._eventually(driver, "/products", lambda answer: answer["items"])
        _must([product["product_id"] for product in seen] == [ids["bizz"]], "the driver sees the bizz and nothing else")
        orders = f"/accounts/{ids['nordlys account']}/products"
        await self._refused(driver, "POST", orders, {"kind": "bizz"}, (403, "A6"))
        await self._refused(driver, "POST", f"/products/{ids['bizz']}/close", {"confirm": True}, (403, "A6"))
        grant = self._person("someone@example.com", "product-access", ids["bizz"])
        await self._refused(driver, "POST", "/profiles", grant, (403, "A6"))
        contact = {"contact_person": "Dora", "contact_email": "dora@example.com"}
        company = f"/companies/{ids['nordlys company']}/contact-details"
        await self._refused(driver, "PUT", company, contact, (403, "A6"))
        for path in (
            f"/products/{ids['plate payment']}",
            f"/accounts/{ids['havnefart account']}",
            f"/companies/{ids['havnefart company']}",
        ):
            await driver.ask("GET", path, expect=404)

    # 4 ---------------------------------------------------------------------------------------------------------------

    async def an_address_has_one_product(self, grants_at_once: int) -> None:
        self.say("4. An e-mail address has product access to only one product")
        ids = self.cast.ids
        plate = {"kind": "product-access", "id": ids["plate payment"]}
        await self._refused(self.anna, "POST", f"/profiles/{ids['driver']}/grants", plate, (409, "A8"))
        orders = f"/accounts/{ids['havnefart account']}/products"
        ids["havnefart bizz"] = await self._order(self.hans, orders, {"kind": "bizz"})
        for spelling in (self.driver.email.upper(), f" {self.driver.email} ", self.driver.email.replace("d", "ｄ", 1)):
            person = self._person(spelling, "product-access", ids["havnefart bizz"])
            await self._refused(self.hans, "POST", "/profiles", person, (409, "A8"))
        await self._many_grants_at_once(grants_at_once)

    async def _many_grants_at_once(self, count: int) -> None:
        products = [
            (admin, await self._order(admin, f"/accounts/{self.cast.ids[account]}/products", {"kind": "bizz"}))
            for _ in range(count // 2)
            for admin, account in ((self.anna, "nordlys account"), (self.hans, "havnefart account"))
        ]
        address = self.cast.address("nina", "harbour")
        await self._profiles_know(products)
        began = time.perf_counter()
        answers = await asyncio.gather(
            *(admin.send("POST", "/profiles", self._person(address, "product-access", p)) for admin, p in products)
        )
        outcomes = Counter((answer.status_code, answer.json().get("code", "granted")) for answer in answers)
        self.say(f"   {count} grants at once in {time.perf_counter() - began:.1f} s: {dict(outcomes)}")
        wanted = {(201, "granted"): 1, (409, "email-has-product-access"): count - 1}
        _must(outcomes == wanted, f"exactly one grant of {count} succeeds, not {dict(outcomes)}")

    async def _profiles_know(self, products: list[tuple[Person, str]]) -> None:
        """Each administrator's own consistency tokens make profiles wait for the last product ordered."""
        for admin in {admin for admin, _ in products}:
            await admin.ask("GET", "/profiles", expect=200)

    # 5 ---------------------------------------------------------------------------------------------------------------

    async def a_framework_agreement_is_opened(self) -> None:
        self.say("5. A framework agreement, its main administrator, a sub-account")
        ids = self.cast.ids
        named = {"main_administrator": {"email": self.mette.email, "name": "Mette Main"}}
        path = f"/companies/{ids['nordlys company']}/framework-agreement"
        made = await self.staff.ask("POST", path, named, expect=201)
        ids["agreement"] = made["agreement_id"]
        await self.mette.wait_for_mail("invit")
        await self.mette.log_in()
        await self._sees_account(self.mette, ids["nordlys account"])
        sub = await self.mette.ask("POST", f"/agreements/{ids['agreement']}/accounts", {"name": "Harbour"}, expect=201)
        anna = self._person(self.anna.email, "account-administrator", sub["account_id"])
        made = await self.mette.ask("POST", "/profiles", anna, expect=201)
        self.anna.has_seen(self.mette)
        await self._sees_account(self.anna, sub["account_id"])
        me = await self.mette.ask("GET", "/profiles/me", expect=200)
        main = {"kind": "main-administrator", "id": ids["agreement"]}
        await self._refused(self.anna, "POST", f"/profiles/{me['profile_id']}/revoke", main, (403, "A5"))
        await self._refused(self.anna, "POST", f"/profiles/{me['profile_id']}/cancel", {"confirm": True}, (403, "A11"))
        await self._refused(
            self.anna, "POST", f"/agreements/{ids['agreement']}/accounts", {"name": "Mine"}, (403, "A5")
        )

    # 6 ---------------------------------------------------------------------------------------------------------------

    async def the_bizz_is_closed(self) -> None:
        self.say("6. The bizz is closed: access ends by event, the address is free again")
        ids = self.cast.ids
        await self.anna.ask("POST", f"/products/{ids['bizz']}/close", {"confirm": True}, expect=200)
        began = time.perf_counter()
        while (await self.driver.send("GET", f"/products/{ids['bizz']}")).status_code != 404:
            _must(time.perf_counter() - began < CLOSED_WITHIN_SECONDS, "the open login reaches nothing within a second")
            await asyncio.sleep(0.02)
        self.say(f"   the driver's open login reached nothing after {time.perf_counter() - began:.2f} s")
        _must((await self.driver.ask("GET", "/products", expect=200))["items"] == [], "nothing is left to see")
        grant = {"kind": "product-access", "id": ids["plate payment"]}
        await self._eventually_accepted(self.anna, "/profiles", self._person(self.driver.email, **grant))
        self.driver.has_seen(self.anna)
        await self.driver.ask("GET", f"/products/{ids['plate payment']}", expect=200)

    # 7 ---------------------------------------------------------------------------------------------------------------

    async def the_history_answers(self) -> None:
        self.say("7. The history of the driver: who, what, when, under which grant, refused attempts included")
        path = f"/history/{self.cast.ids['driver']}?limit=100"
        entries = await self._eventually(
            self.staff,
            path,
            lambda answer: answer["items"] if _types(answer["items"])["product-access-granted"] == 2 else None,
        )
        types = _types(entries)
        _must(types["product-access-revoked"] == 1, "the end of the access is in the history")
        _must(types["attempt-refused"] >= 4, "refused attempts are in the history")
        _must(types["session-started"] >= 1, "logins are in the history")
        for entry in entries[:6]:
            self.say(f"   {entry['time'][:19]}  {entry['type']}  by {entry['actor']}  under {entry['grant']}")
        self.say(f"   … {len(entries)} entries in all: {dict(types)}")

    # -----------------------------------------------------------------------------------------------------------------

    @staticmethod
    def _person(email: str, kind: str, id: str) -> dict[str, Any]:  # noqa: A002 (as the API names it)
        return {"email": email, "name": "Dora Dahl", "grants": [{"kind": kind, "id": id}]}

    async def _order(self, who: Person, path: str, order: dict[str, Any]) -> str:
        return str((await who.ask("POST", path, order, expect=201))["product_id"])

    async def _refused(
        self, who: Person, method: str, path: str, body: dict[str, Any], refusal: tuple[int, str]
    ) -> None:
        status, rule = refusal
        answer = await who.send(method, path, body)
        problem = answer.json()
        _must(
            answer.status_code == status and problem.get("rule") == rule,
            f"{method} {path} is refused with {status} by {rule}, not {answer.status_code}: {answer.text}",
        )
        self.say(f"   refused as it must be: {status} {problem['code']} ({rule})")

    async def _sees_account(self, who: Person, account: str) -> None:
        await self._eventually(who, f"/accounts/{account}", lambda answer: answer.get("account_id"))

    @staticmethod
    async def _eventually(who: Person, path: str, pick: Callable[[dict[str, Any]], Any]) -> Any:
        """Ask until the facts of another service have arrived where the answer comes from."""
        until = time.monotonic() + 15
        while True:
            answer = await who.send("GET", path)
            if answer.status_code == 200 and (found := pick(answer.json())):
                return found
            _must(time.monotonic() < until, f"GET {path} came to nothing: {answer.status_code} {answer.text[:500]}")
            await asyncio.sleep(0.05)

    @staticmethod
    async def _eventually_accepted(who: Person, path: str, body: dict[str, Any]) -> None:
        until = time.monotonic() + 5
        while (answer := await who.send("POST", path, body)).status_code != 201:
            _must(time.monotonic() < until, f"POST {path}: {answer.status_code} {answer.text}")
            await asyncio.sleep(0.05)


def _types(entries: list[dict[str, Any]]) -> Counter[str]:
    return Counter(entry["type"].split(".")[1] for entry in entries)


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise Unexpected(what)
