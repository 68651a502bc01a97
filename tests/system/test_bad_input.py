"""Bad input of every kind, made from the API's own description: answered with a problem, never with a 5xx (Q-01)."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.core.result import Ok

from deploy.demo.person import Person
from deploy.sample import STAFF
from tests.system.conftest import System

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

Operation = APIOperation[Any, Any, Any, Any]
EXAMPLES = 4
ENDS_THE_SESSION = "logOut"


@pytest.fixture
async def session(system: System) -> str:
    """The session of somebody who may do nearly everything, so that input gets as far as it can."""
    async with httpx.AsyncClient(base_url=system.url, timeout=30) as http:
        person = Person(http, STAFF[0])
        await person.log_in()
        return person.session


@pytest.mark.parametrize("system", ["tansu"], indirect=True)
def test_input_made_from_the_description_good_and_bad_never_ends_in_a_server_error(
    system: System, session: str
) -> None:
    operations = list(_operations(system.url))
    assert len(operations) > 20
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _try(operation, session, mode)


def _operations(url: str) -> Iterator[Operation]:
    for found in schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json").get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if operation.definition.raw.get("operationId") != ENDS_THE_SESSION:
            yield operation


def _try(operation: Operation, session: str, mode: GenerationMode) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def answer_is_no_server_error(case: Case[Any]) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {session}"})
        assert answer.status_code < 500 or answer.status_code == 503, (case.as_curl_command(), answer.text)
        if answer.status_code >= 400:
            assert answer.headers["content-type"][0] == "application/problem+json"
            assert answer.json()["code"]

    answer_is_no_server_error()
