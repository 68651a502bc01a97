"""What was seen, to the outside: only what was given out counts, and it tells nothing (A13)."""

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from services.gateway.seals import EXAMPLE, Seals, SeenUnknown
from services.gateway.service import Settings
from tests.gateway.conftest import BIZZ, SEEN_KEY, World, given_out
from tests.gateway.servers import CHALLENGE, ok

PRODUCTS = "/api/v1/products"
ANNA = "profile-0192f1c0a1b27c3d8e4f5a6b7c8d9e0f"
KEY, OTHER_KEY = "the key, of at least 32 characters", "another key, of at least 32 characters"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

streams = st.builds(
    lambda kind, own: f"{kind}-{own:032x}", st.from_regex(r"[a-z]{1,12}(-[a-z]{1,12})?", fullmatch=True), st.integers(0)
).filter(lambda stream: len(stream) < 70)
entries = st.builds(lambda stream, version: f"{stream}@{version}", streams, st.integers(1, 10**12))


@given(st.lists(entries, min_size=1, max_size=12))
def test_any_part_of_what_was_given_out_can_be_sent_back_in_any_order(seen: list[str]) -> None:
    seals = Seals(KEY)
    sealed = dict(zip(seen, seals.sealed(", ".join(seen)).split(", "), strict=True))
    for sent in (seen, seen[::-1], seen[:1], seen + seen):
        assert seals.opened(",".join(sealed[entry] for entry in sent)) == ", ".join(sent)


def test_an_entry_tells_neither_stream_nor_kind_nor_version() -> None:
    seals = Seals(KEY)
    few = [f"{ANNA}@1", f"{ANNA}@2", f"{ANNA}@1234567", f"{BIZZ}@1", f"email-change-{'0' * 32}@31", f"key-{'0' * 32}@1"]
    sealed = [seals.sealed(entry) for entry in few]
    assert len(set(sealed)) == len(few)
    assert {len(entry) for entry in sealed} == {96}
    for entry, plain in zip(sealed, few, strict=True):
        for text in (entry.encode(), base64.urlsafe_b64decode(entry)):
            assert not any(part.encode() in text for part in (plain[-34:], "profile", "product"))
    first, second = (base64.urlsafe_b64decode(entry) for entry in sealed[:2])
    assert sum(a == b for a, b in zip(first, second, strict=True)) < 8, (
        "two versions of a stream have nothing in common"
    )


def test_the_same_entry_is_given_out_the_same() -> None:
    """So that an answer that is given again, for its Idempotency-Key, is the same; of every replica."""
    assert Seals(KEY).sealed(f"{ANNA}@7") == Seals(KEY).sealed(f"{ANNA}@7")


def test_an_entry_that_was_altered_anywhere_was_not_given_out() -> None:
    seals = Seals(KEY)
    for plain in (f"{ANNA}@7", f"a-rather-longer-kind-of-stream-{'0' * 32}@7"):
        sealed = seals.sealed(plain)
        for place, letter in enumerate(sealed):
            for other in {LETTERS[LETTERS.index(letter) ^ 1], "A", "."} - {letter}:
                must_be_unknown(seals, sealed[:place] + other + sealed[place + 1 :])
        for cut in range(len(sealed)):
            must_be_unknown(seals, sealed[:cut])
        for more in ("A", "=", "==", "AAAA", "."):
            must_be_unknown(seals, sealed + more)


def test_what_was_not_given_out_is_unknown_whatever_it_is() -> None:
    seals, of_another_system = Seals(KEY), Seals(OTHER_KEY).sealed(f"{ANNA}@7")
    given_out = seals.sealed(f"{ANNA}@7")
    halves = given_out[:48] + seals.sealed(f"{BIZZ}@7")[48:]
    plain = [f"{ANNA}@7", ANNA, f"{ANNA}@7, {given_out}", "", ",", f"{given_out},", "x" * 5000, "*", "null"]
    for made_up in (
        *plain,
        of_another_system,
        halves,
        EXAMPLE,
        given_out.swapcase(),
        f"{given_out}@7",
        f'"{given_out}"',
    ):
        must_be_unknown(seals, made_up)
    must_be_unknown(seals, f"{given_out}, {of_another_system}")


def must_be_unknown(seals: Seals, sent: str) -> None:
    with pytest.raises(SeenUnknown):
        seals.opened(sent)


def test_what_was_sealed_under_the_key_before_is_still_opened_and_nothing_is_sealed_under_it() -> None:
    old, new = Seals(OTHER_KEY), Seals(KEY, before=OTHER_KEY)
    both = f"{old.sealed(f'{ANNA}@7')}, {new.sealed(f'{BIZZ}@1')}"
    assert new.opened(both) == f"{ANNA}@7, {BIZZ}@1"
    assert new.sealed(f"{ANNA}@7") == Seals(KEY).sealed(f"{ANNA}@7")
    must_be_unknown(old, new.sealed(f"{ANNA}@7"))
    must_be_unknown(Seals(KEY), old.sealed(f"{ANNA}@7"))


def test_production_refuses_a_weak_key_and_never_prints_it() -> None:
    Settings(environment="production", seen_key=SEEN_KEY, seen_key_before=SecretStr(OTHER_KEY))
    for wrong in ({"seen_key": "k" * 31}, {"seen_key": KEY, "seen_key_before": "k" * 31}, {"seen_key": ""}):
        with pytest.raises(ValidationError, match="at least 32") as refused:
            Settings.model_validate({"environment": "production", **wrong})
        assert not any(value and value in str(refused.value) for value in wrong.values())


# Through the gateway --------------------------------------------------------------------------------------------------


def test_what_was_given_out_reaches_the_service_as_the_service_said_it(world: World) -> None:
    world.products.answer = lambda _: ok({}, 201, seen=f"{BIZZ}@1, {ANNA}@12")
    answer = world.ask("POST", PRODUCTS, {})
    product, profile = answer.headers["seen"].split(", ")
    for sent, opened in (
        (answer.headers["seen"], f"{BIZZ}@1, {ANNA}@12"),
        (profile, f"{ANNA}@12"),
        (f"{profile},{product}", f"{ANNA}@12, {BIZZ}@1"),
    ):
        assert world.ask("GET", PRODUCTS, headers={"Require-Seen": sent}).status_code == 201
        assert world.products.received[-1].headers["require-seen"] == opened


def test_what_logging_in_answers_as_seen_is_sealed_alike(world: World) -> None:
    headers = {"Cookie": f"__Host-challenge={CHALLENGE}"}
    answer = world.ask("POST", "/api/v1/login/sessions", {"code": "123456"}, session=None, headers=headers)
    (entry,) = answer.json()["seen"]
    assert entry == given_out(world, f"profile-{'1' * 32}@3")
    assert world.ask("GET", PRODUCTS, headers={"Require-Seen": entry}).status_code == 200
    assert world.products.received[-1].headers["require-seen"] == f"profile-{'1' * 32}@3"


def test_what_was_not_given_out_is_refused_at_once_alike_and_never_passed_on(world: World) -> None:
    altered = given_out(world, f"{BIZZ}@1").replace("A", "B").replace("0", "1")
    made_up = [f"{BIZZ}@1", f"{BIZZ}@99", altered, Seals(OTHER_KEY).sealed(f"{BIZZ}@1"), EXAMPLE, "x", "", "a" * 8000]
    answers, since = [], time.monotonic()
    for sent in made_up:
        for method, body in (("GET", None), ("POST", {})):
            answers.append(world.ask(method, PRODUCTS, body, headers={"Require-Seen": sent}))
    assert time.monotonic() - since < len(answers) * 0.5
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(422, "seen-unknown")}
    assert len({answer.text.replace(answer.headers["x-request-id"], "") for answer in answers}) == 1
    assert world.products.received == []


def test_whoever_is_not_logged_in_is_told_nothing_about_what_was_given_out(world: World) -> None:
    for sent in (given_out(world, f"{BIZZ}@1"), f"{BIZZ}@1"):
        answer = world.ask("GET", PRODUCTS, session="a-session-that-nobody-has-0123", headers={"Require-Seen": sent})
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
