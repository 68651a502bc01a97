"""The code is laid out as the READMEs say; every rule finds nothing here, and something in a bad example."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.architecture import importing, shapes, texts

ROOT = Path(__file__).parent.parent.parent
Rule = Callable[[Path], list[str]]

RULES: tuple[Rule, ...] = (
    importing.rules_are_written_with_nothing_but_rules,
    importing.nobody_knows_what_comes_after,
    importing.the_mechanism_knows_no_service,
    importing.services_know_each_other_by_what_they_publish,
    importing.the_gateway_knows_no_service,
    importing.tokens_are_made_and_checked_in_one_place,
    importing.nothing_is_left_to_chance,
    shapes.every_service_has_the_same_shape,
    shapes.no_file_is_long,
    shapes.every_name_says_something,
    shapes.the_mechanism_knows_no_business_word,
    shapes.what_is_public_is_explained,
    shapes.only_the_command_line_prints,
    shapes.no_decision_looks_at_a_clock,
    shapes.what_somebody_is_shown_is_asked_on_their_behalf,
    shapes.every_event_field_is_classed,
    texts.only_rules_that_exist_are_cited,
    texts.every_rule_that_is_built_is_read_aloud_by_a_test,
    texts.nothing_is_true_of_one_machine_only,
)

DOMAIN = "services/ferries/domain/ferry.py"
BAD: tuple[tuple[Rule, str, str, str], ...] = (
    (importing.rules_are_written_with_nothing_but_rules, DOMAIN, "import os\n", "os"),
    (importing.rules_are_written_with_nothing_but_rules, DOMAIN, "from shared import clock\n", "shared.clock"),
    (importing.rules_are_written_with_nothing_but_rules, DOMAIN, "def late():\n    import time\n", "time"),
    (
        importing.rules_are_written_with_nothing_but_rules,
        DOMAIN,
        "from services.harbour.events import ShipNamed\n",
        "services.harbour.events.ShipNamed",
    ),
    (importing.nobody_knows_what_comes_after, DOMAIN, "from services.ferries import views\n", "services.ferries.views"),
    (
        importing.nobody_knows_what_comes_after,
        "services/ferries/use_cases.py",
        "from services.ferries.api import routes\n",
        "services.ferries.api.routes",
    ),
    (
        importing.nobody_knows_what_comes_after,
        "services/ferries/api.py",
        "from services.ferries.service import build\n",
        "services.ferries.service.build",
    ),
    (
        importing.nobody_knows_what_comes_after,
        "services/ferries/timetable.py",
        "import services.ferries.service\n",
        "services.ferries.service",
    ),
    (importing.the_mechanism_knows_no_service, "shared/inbox.py", "import services.ferries\n", "services.ferries"),
    (importing.the_mechanism_knows_no_service, "shared/inbox.py", "from deploy import local\n", "deploy.local"),
    (importing.the_mechanism_knows_no_service, DOMAIN, "from deploy.local import ports\n", "deploy.local.ports"),
    (
        importing.services_know_each_other_by_what_they_publish,
        "services/ferries/use_cases.py",
        "from services.harbour.use_cases import moor\n",
        "services.harbour.use_cases.moor",
    ),
    (
        importing.services_know_each_other_by_what_they_publish,
        "services/ferries/views/quays.py",
        "from services.harbour import views\n",
        "services.harbour.views",
    ),
    (
        importing.the_gateway_knows_no_service,
        "services/gateway/proxy.py",
        "from services.ferries.events import Sailed\n",
        "services.ferries.events.Sailed",
    ),
    (importing.tokens_are_made_and_checked_in_one_place, "services/gateway/proxy.py", "import jwt\n", "jwt"),
    (importing.nothing_is_left_to_chance, "services/auth/adapters/codes.py", "from random import choice\n", "random"),
    (shapes.every_service_has_the_same_shape, "services/ferries/manager.py", "", "ferries has manager.py"),
    (shapes.every_service_has_the_same_shape, "services/ferries/api.py", "", "ferries lacks README.md"),
    (shapes.every_service_has_the_same_shape, "services/ferries/api/quays.py", "", "ferries lacks README.md"),
    (shapes.no_file_is_long, DOMAIN, "x = 1\n" * 331, "331 lines"),
    (shapes.every_name_says_something, "shared/http/string_utils.py", "", "string_utils"),
    (shapes.every_name_says_something, "services/ferries/common/text.py", "", "common"),
    (shapes.the_mechanism_knows_no_business_word, "shared/ids.py", "def new_company_id(): ...\n", "new_company_id"),
    (shapes.the_mechanism_knows_no_business_word, "shared/ids.py", "class ProductId: ...\n", "ProductId"),
    (
        shapes.the_mechanism_knows_no_business_word,
        "shared/events.py",
        "class Sailed(Event, type='ferries.sailed.v1'): ...\n",
        "event Sailed",
    ),
    (shapes.what_is_public_is_explained, DOMAIN, '"""A ferry."""\n\ndef sail(): ...\n', "sail"),
    (shapes.what_is_public_is_explained, DOMAIN, "SPEED = 17\n", DOMAIN),
    (shapes.only_the_command_line_prints, "services/ferries/use_cases.py", "print('sailed')\n", "use_cases.py:1"),
    (shapes.no_decision_looks_at_a_clock, DOMAIN, "late = datetime.now() > plan\n", "now"),
    (
        shapes.what_somebody_is_shown_is_asked_on_their_behalf,
        "services/ferries/views/ferries.py",
        "async def in_reach(database, actor):\n    return await database.rows('SELECT * FROM ferries', (actor.id,))\n",
        "ferries.py:2: in_reach",
    ),
    (
        shapes.every_event_field_is_classed,
        "services/ferries/events.py",
        "class Sailed(Event, type='ferries.sailed.v1'):\n    captain: str\n",
        "Sailed.captain",
    ),
    (texts.only_rules_that_exist_are_cited, DOMAIN, '"""A16 A ferry has a captain."""\n', "A16"),
    (texts.only_rules_that_exist_are_cited, "services/ferries/README.md", "It keeps C0.\n", "C0"),
    (
        texts.every_rule_that_is_built_is_read_aloud_by_a_test,
        "tests/ferries/test_ferry.py",
        "def test_a_ferry_sails(): ...\n",
        "A8",
    ),
    (texts.nothing_is_true_of_one_machine_only, "deploy/run.sh", "cd /home/anna/ferries\n", "/home/a"),
    (
        texts.nothing_is_true_of_one_machine_only,
        "Makefile",
        "pip install --" + "index-url https://x\n",
        "--" + "index-url h",
    ),
    (
        texts.nothing_is_true_of_one_machine_only,
        "requirements.lock",
        "# https://" + "pypi." + "org/simple\n",
        "pypi." + "org",
    ),
)


def names(value: object) -> str | None:
    return getattr(value, "__name__", None)


@pytest.mark.parametrize("rule", RULES, ids=names)
def test_the_code_keeps_the_rule(rule: Rule) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize(("rule", "file", "text", "found"), BAD, ids=names)
def test_a_bad_example_is_found(tmp_path: Path, rule: Rule, file: str, text: str, found: str) -> None:
    written(tmp_path, {file: text})
    assert any(found in line for line in rule(tmp_path)), rule(tmp_path)


def test_every_rule_has_a_bad_example() -> None:
    assert {rule for rule, *_ in BAD} == set(RULES)


GOOD: Mapping[str, str] = {
    DOMAIN: '"""H1 A ferry."""\n\nimport re\n\nfrom services.ferries.events import Sailed\n'
    "from shared.errors import Conflict\n",
    "services/ferries/README.md": "# Ferries\n",
    "services/ferries/__main__.py": '"""Run."""\n\nfrom services.ferries.service import build\n',
    "services/ferries/service.py": '"""Wiring."""\n\nfrom services.auth.keys import find_key\n',
    "services/ferries/api.py": '"""HTTP."""\n\nfrom services.ferries.use_cases import sail\n',
    "services/ferries/views/ferries.py": '"""Which ferries?"""\n\n\nasync def _seen(database, actor):\n'
    "    return await database.asked_by(actor).rows('SELECT * FROM ferries')\n",
    "services/ferries/use_cases.py": '"""What may be done."""\n\nfrom services.harbour.events import Moored\n',
    "services/ferries/events.py": '"""What is said."""\n\n\nclass Sailed(Event, type="ferries.sailed.v1"):\n'
    '    """It sailed."""\n\n    ferry_id: Pseudonym[str]\n',
    "deploy/cli/tell.py": '"""Tell."""\n\nprint("sailed")\n',
}


@pytest.mark.parametrize(
    "rule", [r for r in RULES if r is not texts.every_rule_that_is_built_is_read_aloud_by_a_test], ids=names
)
def test_a_good_example_is_left_alone(tmp_path: Path, rule: Rule) -> None:
    written(tmp_path, GOOD)
    assert rule(tmp_path) == []


def test_a_rule_counts_as_read_aloud_by_name_docstring_or_range(tmp_path: Path) -> None:
    every = " ".join(texts.BUILT[13:])
    test = f'"""A1–A11"""\n\n\ndef test_a12_stays():\n    """A13. {every}"""\n'
    written(tmp_path, {"tests/ferries/test_ferry.py": test})
    assert texts.every_rule_that_is_built_is_read_aloud_by_a_test(tmp_path) == []


def test_only_what_belongs_to_the_repository_is_read(tmp_path: Path) -> None:
    written(tmp_path, {".gitignore": "var/\n", "var/log": "/home/anna/x\n", "seen.txt": "/home/hans/x\n"})
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert texts.nothing_is_true_of_one_machine_only(tmp_path) == ["seen.txt: /home/h"]


def written(root: Path, files: Mapping[str, str]) -> None:
    for folder in ("services", "shared", "deploy", "tests"):
        (root / folder).mkdir(exist_ok=True)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
