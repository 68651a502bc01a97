"""A15 through the gateway, with real services, broker and mails: a browser's cookie is all that is needed."""

import secrets

import httpx
import pytest

from deploy.demo.person import CODE, Person
from deploy.sample import STAFF
from tests.system.conftest import System

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


async def administrator(http: httpx.AsyncClient, mark: str) -> Person:
    """The administrator of a company that customer service has just registered, logged in."""
    susanne, anna = Person(http, STAFF[0]), Person(http, f"anna.{mark}@nordlys.example.com")
    await susanne.log_in()
    company = {
        "cvr": f"3{int(mark, 16) % 10_000_000:07d}",
        "legal_name": "Nordlys Transport ApS",
        "payment": "invoice",
        "contact_person": "Inge Ibsen",
        "contact_email": "office@nordlys.example.com",
        "account_name": "Main account",
        "administrator": {"email": anna.email, "name": "Anna Aas"},
    }
    await susanne.ask("POST", "/companies", company, expect=201)
    await anna.wait_for_mail("invit")
    await anna.log_in()
    return anna


async def test_a15_a_person_changes_their_address_and_logs_in_with_the_new_one_at_once(system: System) -> None:
    async with httpx.AsyncClient(base_url=system.url, timeout=30) as http:
        mark = secrets.token_hex(4)
        anna, new = await administrator(http, mark), Person(http, f"Anna.Holm.{mark}@nordlys.example.com")
        await anna.ask("POST", "/login/email-change", {"email": new.email}, expect=202)
        mailed = CODE.search((await new.wait_for_mail("confirm"))["text"])
        assert mailed is not None
        await anna.ask("POST", "/login/email-change/confirm", {"code": mailed[0]}, expect=202)
        me = await anna.ask("GET", "/profiles/me", expect=200)
        assert (me["email"], me["email_change"]["state"]) == (new.email, "changed"), "the session goes on, and sees it"
        await anna.wait_for_mail("has been changed")
        await new.log_in()
        assert (await new.ask("GET", "/profiles/me", expect=200))["profile_id"] == me["profile_id"]
        codes = [mail for mail in await anna.mails() if "login code" in mail["subject"]]
        await Person(http, anna.email).ask("POST", "/login/codes", {"email": anna.email}, expect=202)
        await Person(http, new.email).log_in()
        assert [mail for mail in await anna.mails() if "login code" in mail["subject"]] == codes, "L2: and no mail"
