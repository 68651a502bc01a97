"""The command line of analysts, on a real database and real exports: what it says, and with which exit code."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from deploy.sample_history_load import load
from deploy.sample_history_rows import Sampled
from services.audit.analysis.history import exported
from services.audit.analysis.layout import Layout, Manifest
from services.audit.canonical import personal_fields_of
from services.audit.proof import verifier
from services.audit.service import EVERY_SERVICE, build
from tests.audit.analysis.conftest import EVENTS, sample_events, seal_all
from tests.audit.proofs import KEY, signed
from tests.feed import settings_of_audit
from tests.parts import owner_of

README = (Path(__file__).parents[3] / "services" / "audit" / "README.md").read_text()
SECTION = README[README.index("## For analysts") : README.index("## Order and places")]

FULL_AFTER_1700 = """
seen = []


def handle(event):
    seen.append(event.id)
    if len(seen) == 1700:
        raise OSError("full")
"""


def selfservice(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def told(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of audit with 300 events, where the environment says."""
    build(settings_of_audit(database))[0].migrate()
    for _ in load(owner_of(database), sample_events(300)):
        pass
    seal_all(database)
    signed(database)
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("DATABASE_OWNER_URL", owner_of(database))
    return database


def taken_out(dsn: str) -> list[tuple[str, str, int, int]]:
    """Who took out what, as the history has it."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(
            "SELECT actor, data->>'how', (data->>'first')::int, (data->>'end')::int FROM history "
            "WHERE type = 'audit.history-taken-out.v1' ORDER BY number"
        ).fetchall()


def test_h3_an_export_is_in_the_history_that_it_is_made_of(told: str, tmp_path: Path) -> None:
    first = selfservice("audit", "export", str(tmp_path / "e"), "--format", "csv")
    assert (first.exit_code, first.stdout) == (0, f"{tmp_path / 'e'} holds 300 events, 300 of them new.\n"), (
        first.output
    )
    again = selfservice("audit", "export", str(tmp_path / "e"), "--format", "csv")
    assert again.stdout == f"{tmp_path / 'e'} holds 300 events, 0 of them new.\n"
    seal_all(told)
    signed(told)
    later = selfservice("audit", "export", str(tmp_path / "e"), "--format", "csv")
    assert later.stdout == f"{tmp_path / 'e'} holds 301 events, 1 of them new.\n"
    assert taken_out(told) == [("system:command-line", "export", 0, 300), ("system:command-line", "export", 300, 301)]
    assert selfservice("audit", "export", str(tmp_path / "e"), "--check").exit_code == 0
    (tmp_path / "e" / "leaves.bin").write_bytes(b"")
    checked = selfservice("audit", "export", str(tmp_path / "e"), "--check")
    assert (checked.exit_code, checked.stdout) == (1, "leaves.bin is not what was exported\n")


def test_h3_a_replay_from_the_database_is_in_the_history(told: str, tmp_path: Path) -> None:
    selfservice("audit", "export", str(tmp_path / "e"))
    replayed = selfservice("audit", "replay")
    assert replayed.exit_code == 0, replayed.output
    assert taken_out(told)[1:] == [("system:command-line", "replay", 0, 300)]
    from_export = selfservice("audit", "replay", "--export", str(tmp_path / "e"))
    assert replayed.stdout.splitlines()[-1] == from_export.stdout.splitlines()[-1]
    assert len(taken_out(told)) == 2


def test_h2_a_replay_calls_somebodys_function_and_goes_on_at_its_cursor(
    exports: Mapping[Layout, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mycode.py").write_text(FULL_AFTER_1700)
    asked = ["audit", "replay", "--export", str(exports["parquet"]), "--into", "mycode:handle", "--cursor", "here"]
    failed = selfservice(*asked)
    assert (failed.exit_code, "full" in failed.stderr) == (1, True)
    done = selfservice(*asked)
    seen = sys.modules.pop("mycode").seen
    ids = [event.id for event in sample_events()]
    assert seen == [*ids[:1700], *ids[1000:]]
    whole = exported(exports["parquet"]).replay()
    assert len(list(whole)) == EVENTS
    assert done.stdout.splitlines()[-1] == f"digest {whole.digest}"
    assert (tmp_path / "here").read_text() == f"{whole.cursor}\n"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("replay --into nothing:here", "there is no function nothing:here"),
        ("replay --into json:decoder", "json:decoder is no function"),
        ("replay --cursor pyproject.toml", "of a replay that asked something else"),
        ("sql 'SELECT 1; SELECT 2'", "ask one SELECT"),
        ("sql \"COPY history TO 'x.csv'\"", "ask one SELECT"),
        ("sql \"SELECT * FROM read_csv('/etc/hostname')\"", "disabled by configuration"),
        ("sql 'SELECT nothing FROM history'", "nothing"),
        ("sql 'SELECT FROM WHERE'", "syntax error"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(exports: Mapping[Layout, Path], asked: str, said: str) -> None:
    answer = selfservice("audit", *shlex.split(asked), "--export", str(exports["csv"]))
    assert (answer.exit_code, answer.stdout) == (1, "")
    assert said in answer.stderr


def test_where_there_is_no_export_the_way_to_one_is_said(tmp_path: Path) -> None:
    for asked in (["sql", "SELECT 1"], ["replay"]):
        answer = selfservice("audit", *asked, "--export", str(tmp_path))
        assert answer.exit_code == 1
        assert "`selfservice audit export" in answer.stderr


def test_a_question_is_answered_as_a_table_or_as_json(exports: Mapping[Layout, Path]) -> None:
    query = 'SELECT leaf, "grant", time FROM history ORDER BY leaf LIMIT 2'
    table = selfservice("audit", "sql", query, "--export", str(exports["parquet"]))
    assert [line.split()[:2] for line in table.stdout.splitlines()] == [
        ["leaf", "grant"],
        ["0", "customer-service"],
        ["1", "customer-service"],
    ]
    lines = selfservice("audit", "sql", query, "--export", str(exports["parquet"]), "--json").stdout.splitlines()
    assert [json.loads(line)["leaf"] for line in lines] == [0, 1]
    nothing = selfservice("audit", "sql", "SELECT 1 WHERE false", "--export", str(exports["parquet"]))
    assert (nothing.exit_code, nothing.stdout) == (0, "nothing\n")


def commands() -> list[str]:
    """The commands of the README that read an export."""
    shell = "\n".join(re.findall(r"```sh\n(.*?)```", SECTION, re.DOTALL))
    return re.findall(r"^selfservice (audit (?:sql|replay)(?:[^\n\"]|\"[^\"]*\")*)", shell, re.MULTILINE)


@pytest.mark.parametrize("command", commands())
def test_the_commands_of_the_readme_do_what_it_says(
    exports: Mapping[Layout, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "export").symlink_to(exports["parquet"])
    (tmp_path / "mycode.py").write_text("def handle(event): ...\n")
    monkeypatch.chdir(tmp_path)
    answer = selfservice(*shlex.split(command, comments=True))
    sys.modules.pop("mycode", None)
    assert answer.exit_code == 0, answer.output
    assert answer.stdout not in {"", "nothing\n"}


def test_the_program_of_the_readme_runs(
    exports: Mapping[Layout, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "export").symlink_to(exports["parquet"])
    monkeypatch.chdir(tmp_path)
    found = re.search(r"```python\n(.*?)```", SECTION, re.DOTALL)
    assert found
    program = found[1].replace("2024, 3, 1", "2024, 1, 1")
    exec(compile(program, "README.md", "exec"), {})  # noqa: S102 (it is what the README says)
    *events, told = capsys.readouterr().out.splitlines()
    profiles = [event for event in sample_events() if event.stream.startswith("profile-")]
    assert len(events) == len(profiles) == int(told.split()[0])


def test_the_same_seed_makes_the_same_sample_history(tmp_path: Path) -> None:
    for name, seed in (("one", "3"), ("same", "3"), ("other", "4")):
        made = selfservice("sample", "history", str(tmp_path / name), "--count", "60", "--seed", seed)
        assert made.exit_code == 0, made.output
    one, same, other = (Manifest.read(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert (one.leaves, other.leaves) == (60, 60)
    assert one.hashes != other.hashes
    replay = exported(tmp_path / "one").replay()
    assert len(list(replay)) == 60


def test_a_sample_history_is_the_same_in_pieces() -> None:
    whole, pieces = Sampled(1, 60), Sampled(1, 60)
    assert whole.hashes(0, 60) == pieces.hashes(0, 25) + pieces.hashes(25, 60)
    assert pieces.hashes(10, 20) == whole.hashes(0, 60)[320:640]


@pytest.mark.parametrize("asked", [[], ["x", "--database", "y"]])
def test_a_sample_history_goes_to_one_place(asked: list[str]) -> None:
    assert selfservice("sample", "history", *asked).exit_code == 2


@pytest.mark.parametrize("layout", ["csv", "parquet"])
def test_t06_an_export_is_believed_by_the_verifier_and_one_that_was_touched_is_not(
    told: str, tmp_path: Path, layout: str
) -> None:
    export, policy = tmp_path / "e", tmp_path / "policy.json"
    assert selfservice("audit", "export", str(export), "--format", layout).exit_code == 0
    policy.write_text(json.dumps({"key": str(KEY.public), "personal": personal_fields_of((*EVERY_SERVICE, "audit"))}))
    rows = selfservice("audit", "rows", str(export)).stdout
    newest = str(export / "checkpoint.txt")

    def verified(lines: str) -> tuple[int, str]:
        checks = (sys.executable, "-I", verifier.__file__, "--policy", str(policy), "--newest", newest, "-")
        done = subprocess.run(checks, input=lines, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    assert verified(rows) == (0, "300 entries are what was signed; no older checkpoint was given.\n")
    assert verified(rows.replace("Person ", "Persona ", 1))[0] == 1
    whole = selfservice("audit", "verify", "--policy", str(policy), "--older", newest, str(export))
    assert whole.exit_code == (0 if layout == "csv" else 1), "of Parquet it is given the rows"
