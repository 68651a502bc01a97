"""Services that are down, slow or several; sessions exchanged for tokens, never older than a second (A14)."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import httpx
import pytest

from deploy.local.ports import free_port
from services.gateway.adapters import services
from services.gateway.contract import SERVICES
from services.gateway.service import Settings, build
from tests.gateway.conftest import BIZZ, SEEN_KEY, World, world_of
from tests.gateway.servers import SESSION, Auth, Server, Upstream, ok, problem, serving

PRODUCTS = "/api/v1/products"


def dead() -> str:
    return f"http://127.0.0.1:{free_port()}"


def test_a_service_that_is_down_is_answered_503_and_the_others_go_on(contracts: Path) -> None:
    with world_of(contracts, company_url=dead()) as world:
        answer = world.ask("POST", "/api/v1/companies", {})
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "1")
        assert answer.headers["content-type"] == "application/problem+json"
        assert world.ask("GET", PRODUCTS).status_code == 200
        ready = world.ask("GET", "/health/ready")
        assert (ready.status_code, ready.json()["services"]["company"]) == (503, False)
        assert world.ask("GET", "/health/live").status_code == 200


def test_without_auth_nobody_is_served_and_nobody_is_told_to_log_in_again(contracts: Path) -> None:
    with world_of(contracts, auth_url=dead()) as world:
        for method, path, body in (
            ("GET", PRODUCTS, None),
            ("POST", "/api/v1/login/codes", {"email": "anna@nordlys.example.com"}),
        ):
            answer = world.ask(method, path, body)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


def test_a_slow_service_is_not_waited_for_for_ever(contracts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "ANSWER_SECONDS", 0.3)
    with world_of(contracts) as world:
        world.products.delay = 1.0
        began = time.monotonic()
        question, command = world.ask("GET", PRODUCTS), world.ask("POST", PRODUCTS, {})
        assert time.monotonic() - began < 2
        assert (question.status_code, question.json()["code"]) == (503, "unavailable")
        assert (command.status_code, command.json()["code"]) == (503, "perhaps-done")


def test_when_every_service_answers_the_gateway_is_ready(world: World) -> None:
    answer = world.ask("GET", "/health/ready")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "services": dict.fromkeys(SERVICES, True)})


def ask_two(contracts: Path, first: str, second: str, act: Callable[[httpx.Client], None]) -> None:
    """Do something at a gateway with two replicas of products at these addresses."""
    with serving(Auth()) as (auth,):
        settings = Settings(
            contracts_folder=contracts, seen_key=SEEN_KEY, auth_url=auth.url, products_url=f"{first}, {second}"
        )
        headers = {"Authorization": f"Bearer {SESSION}"}
        with serving(build(settings)[0]) as (gateway,), httpx.Client(base_url=gateway.url, headers=headers) as http:
            act(http)


def test_two_replicas_are_asked_in_turn(contracts: Path) -> None:
    replicas = [Upstream("products"), Upstream("products")]

    def act(http: httpx.Client) -> None:
        assert {http.get(PRODUCTS).status_code for _ in range(10)} == {200}

    with serving(*replicas) as (first, second):
        ask_two(contracts, first.url, second.url, act)
    assert [len(replica.received) for replica in replicas] == [5, 5]


def test_a_replica_that_refuses_the_connection_is_passed_over_for_any_command(contracts: Path) -> None:
    replica = Upstream("products")

    def act(http: httpx.Client) -> None:
        answers = [http.post(PRODUCTS, json={}) for _ in range(6)]
        assert {answer.status_code for answer in answers} == {200}

    with serving(replica) as (alive,):
        ask_two(contracts, dead(), alive.url, act)
    assert len(replica.received) == 6


@pytest.mark.parametrize("when", ["before the answer", "amid the answer"])
def test_a_replica_that_breaks_off_is_followed_by_the_next_only_for_what_may_be_asked_twice(
    contracts: Path, when: Literal["before the answer", "amid the answer"]
) -> None:
    broken, whole = Upstream("products", breaks=when), Upstream("products")

    def act(http: httpx.Client) -> None:
        for _ in range(4):
            assert http.get(PRODUCTS).status_code == 200
            assert http.post(PRODUCTS, json={}, headers={"Idempotency-Key": "order-7"}).status_code == 200
        before = len(broken.received), len(whole.received)
        statuses = sorted(http.post(PRODUCTS, json={}).status_code for _ in range(4))
        assert statuses == [200, 200, 503, 503]
        assert (len(broken.received) - before[0], len(whole.received) - before[1]) == (2, 2)

    with serving(broken, whole) as (first, second):
        ask_two(contracts, first.url, second.url, act)


def test_a_replica_that_comes_back_is_asked_again(contracts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "PASSED_OVER_SECONDS", 0.05)
    port, returning, replica = free_port(), Upstream("products"), Upstream("products")

    def act(http: httpx.Client) -> None:
        assert {http.get(PRODUCTS).status_code for _ in range(4)} == {200}
        server = Server(returning, port)
        server.start()
        time.sleep(0.1)
        assert {http.get(PRODUCTS).status_code for _ in range(4)} == {200}
        server.stop()
        assert {http.get(PRODUCTS).status_code for _ in range(4)} == {200}

    with serving(replica) as (alive,):
        ask_two(contracts, f"http://127.0.0.1:{port}", alive.url, act)
    assert len(returning.received) == 2


# Sessions and tokens --------------------------------------------------------------------------------------------------


def test_a_token_is_asked_for_once_for_many_requests_of_a_second(world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: world.ask("GET", PRODUCTS).status_code, range(40)))
    assert set(answers) == {200}
    assert len(world.auth.exchanges) <= 3


def test_s10_every_service_gets_a_token_of_its_own(world: World) -> None:
    world.ask("GET", PRODUCTS)
    world.ask("GET", "/api/v1/profiles")
    world.ask("GET", f"/api/v1/history/{BIZZ}")
    assert [audience for _, audience in world.auth.exchanges] == ["products", "profiles", "audit"]
    assert world.upstreams["audit"].received[0].headers["authorization"] == "Bearer eyJ.audit.3"


def test_a14_a_revoked_session_reaches_nothing_within_a_second(world: World) -> None:
    stop = threading.Event()
    served: list[float] = []

    def ask_all_the_time() -> None:
        while not stop.is_set():
            if world.ask("GET", PRODUCTS).status_code == 200:
                served.append(time.monotonic())

    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            pool.submit(ask_all_the_time)
        time.sleep(0.7)
        world.auth.sessions.clear()
        revoked = time.monotonic()
        time.sleep(1.3)
        stop.set()
    assert max(served) - revoked < 1.05
    assert world.ask("GET", PRODUCTS).status_code == 401


def test_a_session_that_was_refused_is_asked_about_again(world: World) -> None:
    world.auth.sessions.clear()
    assert world.ask("GET", PRODUCTS).status_code == 401
    world.auth.sessions.add(SESSION)
    assert world.ask("GET", PRODUCTS).status_code == 200


def test_exchanges_of_one_session_at_one_moment_are_one(world: World) -> None:
    world.auth.delay = 0.2
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: world.ask("GET", PRODUCTS).status_code, range(10)))
    assert set(answers) == {200}
    assert len(world.auth.exchanges) == 1


def test_a_services_own_defect_is_told_as_it_is_and_a_broken_server_is_not(world: World) -> None:
    world.products.answer = lambda _: problem(500, "internal-error")
    assert world.ask("GET", PRODUCTS).status_code == 500
    world.products.answer = lambda _: (500, {"content-type": "text/plain"}, b"Internal Server Error")
    answer = world.ask("GET", PRODUCTS)
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


def test_an_auth_that_answers_nonsense_lets_nobody_through(world: World) -> None:
    known = world.auth.answer
    try:
        for answer in (ok({}), (200, {}, b"not json"), ok({}, 418), ok({}, 500)):
            world.auth.answer = lambda _received, answer=answer: answer  # type: ignore[misc]
            assert world.ask("GET", PRODUCTS).status_code == 503
    finally:
        world.auth.answer = known
    assert world.products.received == []
