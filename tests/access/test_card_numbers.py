"""P6: the number of a payment card is refused in every text of every operation of every service, and kept nowhere.

Which texts there are is read from the services' own descriptions, so that a field that is new is asked, too. What was
sent is looked for afterwards in all that the system keeps: every table of every database, every log, every mail.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
import pytest
from psycopg import sql

from services.gateway.contract import METHODS, PREFIX, SERVICES
from shared.free_text import holds_a_card_number
from shared.ids import new_id
from tests.access.asking import DRY_RUN, requests
from tests.access.cast import CANARY
from tests.access.conftest import World, at_once
from tests.access.operations import IN_PATH
from tests.access.test_bodies_and_headers import who_may
from tests.contracts.test_contracts import read

pytestmark = [pytest.mark.system, pytest.mark.timeout(300), pytest.mark.usefixtures("unchanged")]

NUMBERS = ("4929718271827187", "4929 7182 7182 7187", "4929-7182-7182-7187", "Kort: 4929718271827187 12/27")
DIGITS = "4929718271827187"
OF_THEIR_OWN = {"ean": (422,), "after": (422,), "journey_id": (200, 404)}
"""What is no free text: its own rule refuses it, or it is only looked for, and not found."""

KEYS = "canary"
"""What every Idempotency-Key begins with that is sent here."""
Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Text:
    """A place for a text in a request: in the query, or somewhere in the body."""

    service: str
    operation: str
    method: str
    template: str
    queries: bool
    place: Place
    body: Any

    def __str__(self) -> str:
        return f"{self.service} {self.operation} {'?' if self.queries else ''}{'.'.join(map(str, self.place))}"


@cache
def texts() -> tuple[Text, ...]:
    """Every place for a text in every operation, as the services describe them, internal ones too."""
    return tuple(text for service in (*SERVICES, "gateway") for text in _texts_of(service))


def _texts_of(service: str) -> Iterator[Text]:
    document = read("openapi", f"{service}.json")
    for template, item in document["paths"].items():
        for method in (method for method in METHODS if method in item):
            asked = item[method]
            name = asked.get("operationId", f"{method} {template}")
            at = (service, name, method.upper(), template)
            for given in (given for given in asked.get("parameters", ()) if given.get("in") == "query"):
                yield Text(*at, True, (given["name"],), None)
            if "requestBody" in asked:
                schema = asked["requestBody"]["content"]["application/json"]["schema"]
                for body in _examples(document, schema):
                    yield from (Text(*at, False, place, body) for place in _places(body))


def _examples(document: Any, schema: Any) -> Iterator[Any]:
    """A body of each kind that a schema leaves the choice of, with every field that there can be."""
    if reference := schema.get("$ref"):
        yield from _examples(document, document["components"]["schemas"][reference.rpartition("/")[2]])
    elif choice := schema.get("oneOf") or schema.get("anyOf"):
        for each in choice:
            yield from (example for example in _examples(document, each) if example is not None)
    elif schema.get("type") == "object" and "properties" in schema:
        fields = {name: list(_examples(document, part)) for name, part in schema["properties"].items()}
        for number in range(max(map(len, fields.values()), default=0)):
            yield {name: found[min(number, len(found) - 1)] for name, found in fields.items() if found}
    elif schema.get("type") == "array":
        yield from ([example] for example in _examples(document, schema["items"]))
    elif schema.get("type") != "null":
        yield _example(schema)


def _example(schema: Any) -> Any:
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("examples"):
        return schema["examples"][0]
    return {"string": "text", "integer": 1, "number": 1, "boolean": True, "object": {"text": "text"}}[schema["type"]]


def _places(body: Any, place: Place = ()) -> Iterator[Place]:
    match body:
        case str():
            yield place
        case dict():
            for name, part in body.items():
                yield from _places(part, (*place, name))
        case list():
            for number, part in enumerate(body):
                yield from _places(part, (*place, number))
        case _:
            pass


def _with(body: Any, place: Place, text: str) -> Any:
    if not place:
        return text
    first, rest = place[0], place[1:]
    if isinstance(body, dict):
        return {**body, first: _with(body[first], rest, text)}
    return [_with(part, rest, text) if number == first else part for number, part in enumerate(body)]


def _who(operation: str) -> str:
    """Somebody who may, so that nothing but the number is wrong; of what is asked inside, anybody."""
    return next((who_may(each) for each in requests() if each.operation.id == operation), "customer service")


def send(world: World, text: Text, number: str, *, outside: bool) -> httpx.Response:
    path = text.template
    for name, thing in IN_PATH.items():
        path = path.replace(f"{{{name}}}", world.ours[thing])
    query = {str(text.place[0]): number} if text.queries else {}
    body = None if text.body is None else _with(text.body, text.place, number)
    if outside:
        path = path if path.startswith(PREFIX) else PREFIX + path
        path += f"?{httpx.QueryParams(query)}" if query else ""
        return world.ask(_who(text.operation), text.method, path, body, _key(text))
    headers = {**_key(text), "Content-Type": "application/json"}
    headers["Authorization"] = f"Bearer {world.token(_who(text.operation), text.service)}"
    content = None if body is None else json.dumps(body).encode()
    url = world.addresses[text.service] + path
    return world.http.request(text.method, url, params=query, content=content, headers=headers)


def _key(text: Text) -> dict[str, str]:
    return {} if text.method == "GET" else {"Idempotency-Key": new_id(KEYS)}


@pytest.fixture(scope="module")
def sent(world: World) -> list[tuple[Text, httpx.Response]]:
    """Every spelling of the number in every place: of the public API from outside, of each service from inside."""
    cells = [(text, number) for text in texts() for number in NUMBERS]
    answers = at_once(lambda cell: send(world, *cell, outside=cell[0].service == "gateway"), cells)
    return [(text, answer) for (text, _), answer in zip(cells, answers, strict=True)]


def test_these_are_numbers_of_payment_cards() -> None:
    assert all(holds_a_card_number(number) for number in NUMBERS)


def test_p6_every_operation_of_every_service_that_takes_a_text_is_asked() -> None:
    asked = {(text.service, text.operation) for text in texts()}
    assert {service for service, _ in asked} == {"gateway", *SERVICES}
    places = {str(text) for text in texts()}
    assert {
        "products addPaymentCard token",
        "products listProducts ?reference",
        "profiles createProfile grants.0.id",
        "company registerCompany administrator.name",
        "gateway requestLoginCode email",
    } <= places


def test_p6_a_card_number_is_refused_in_every_text(sent: list[tuple[Text, httpx.Response]]) -> None:
    wrong = [f"{text}: {answer.status_code} {answer.text}" for text, answer in sent if not _refused(text, answer)]
    assert wrong == []


def _refused(text: Text, answer: httpx.Response) -> bool:
    said = answer.json()
    if DIGITS in re.sub(r"[\s-]", "", answer.text):
        return False
    if said.get("code") == "looks-like-a-card-number":
        return answer.status_code == 422
    own = OF_THEIR_OWN.get(str(text.place[-1]), ())
    return answer.status_code in own and not said.get("items")


def test_p6_a_card_number_is_refused_as_a_name_and_as_a_key(world: World) -> None:
    """Of a field, of a parameter, and as an Idempotency-Key, which would be kept for a day."""
    who, account = "administrator of the account", world.ours["account"]
    path, name = f"{PREFIX}/accounts/{account}/name", {"name": world.ours["account_name"]}
    direct = {"Authorization": f"Bearer {world.token(who, 'company')}", "Content-Type": "application/json"}
    inside = f"{world.addresses['company']}/accounts/{account}/name"
    for number in NUMBERS[:3]:
        answers = [
            world.ask(who, "PUT", path, {**name, number: "x"}),
            world.ask(who, "PUT", f"{path}?{httpx.QueryParams({number: 'x'})}", name),
            world.http.put(inside, params={number: "x"}, json=name, headers=direct),
        ]
        if " " not in number:
            answers.append(world.ask(who, "PUT", path, name, {"Idempotency-Key": number}))
        for answer in answers:
            assert answer.status_code == 422, answer.text
            assert DIGITS not in re.sub(r"[\s-]", "", answer.text)


def test_p6_a_whole_number_is_no_way_round(world: World) -> None:
    path = f"{PREFIX}/accounts/{world.ours['account']}/products"
    answer = world.ask("administrator of the account", "POST", path, {"kind": "eticket", "trips": int(DIGITS)})
    assert (answer.status_code, answer.json()["code"]) == (422, "looks-like-a-card-number")


def test_p6_where_there_is_nothing_in_reach_it_is_refused_as_well_and_no_attempt_is_kept(world: World) -> None:
    who, key = "administrator of another company", {"Idempotency-Key": "out-of-reach-7"}
    answer = world.ask(who, "PUT", f"{PREFIX}/accounts/{world.ours['account']}/name", {"name": NUMBERS[1]}, key)
    assert (answer.status_code, answer.json()["code"]) == (422, "looks-like-a-card-number")
    assert world.rows("company", "SELECT 1 FROM idempotency WHERE key = 'out-of-reach-7'") == []


def test_p6_a_dry_run_is_refused_alike(world: World) -> None:
    path = f"{PREFIX}/profiles?{httpx.QueryParams(DRY_RUN)}"
    person = {"email": "somebody@example.com", "name": NUMBERS[0], "grants": []}
    answer = world.ask("administrator of the account", "POST", path, person)
    assert (answer.status_code, answer.json()["code"]) == (422, "looks-like-a-card-number")


def test_p6_a_request_id_that_is_a_card_number_is_not_taken_inside_either(world: World) -> None:
    for number in ("4929718271827187", "4929-7182-7182-7187", "card-4929718271827187"):
        answer = world.http.get(f"{world.addresses['company']}/accounts", headers={"X-Request-ID": number})
        assert answer.headers["x-request-id"] != number


# The canary ----------------------------------------------------------------------------------------------------------


def kept(world: World) -> Iterator[tuple[str, str]]:
    """All that the system keeps, as text: every row of every table, every log and every mail, each with its name."""
    for service in world.databases:
        tables = world.rows(service, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables:
            question = sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table)).as_string()
            yield from ((f"{service}.{table}", _legible(row[0])) for row in world.rows(service, question))
    for file in world.folder.rglob("*"):
        if file.suffix in {".log", ".json", ".eml"} and file.is_file():
            yield str(file), file.read_text(errors="replace")


def _legible(row: str) -> str:
    """A row with what it holds in bytes, such as an event, as text beside it."""
    found = re.findall(r"\\x((?:[0-9a-f]{2})+)", row)
    return row + " ".join(bytes.fromhex(each).decode("latin-1") for each in found)


def holding(kept_texts: Mapping[str, list[str]], *canaries: str) -> list[str]:
    return [
        name
        for name, each in kept_texts.items()
        if any(canary in text for text in map(_without_gaps, each) for canary in canaries)
    ]


def _without_gaps(text: str) -> str:
    return re.sub(r"(?<=[0-9])[\s-]+(?=[0-9])", "", text)


@pytest.mark.usefixtures("sent")
def test_p6_no_log_event_dead_letter_attempt_key_or_mail_holds_it_afterwards(world: World) -> None:
    found: dict[str, list[str]] = {}
    for name, text in kept(world):
        found.setdefault(name, []).append(text)
    seen = holding(found, CANARY)
    assert {"company.events", "products.events", "products.products"} <= set(seen), "else it would not be seen there"
    assert any(name.endswith(".log") for name in found)
    assert holding(found, DIGITS) == []
    question = f"SELECT key FROM idempotency WHERE key LIKE '{KEYS}-%'"
    keys = [row for service in world.databases for row in world.rows(service, question)]
    assert keys == [], "not even a digest of it"
