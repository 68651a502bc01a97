"""No secret stands anywhere it could be read: C-16 to C-18, and how codes are drawn (C-01)."""

import ast
import base64
import json
import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from psycopg import connect, sql
from pydantic import SecretStr, ValidationError

from services.auth.adapters.codes import Codes, new_code, new_secret
from services.auth.adapters.sealing import SealBroken, Sealer
from services.auth.service import Settings, assemble
from shared.envelope import wire
from tests.auth.conftest import ANNA, AUTH, DORA, PEPPER, SECRETS_KEY, World, settings_for
from tests.auth.people import other_than, with_app
from tests.feed import running

ROOT = AUTH.parents[1]


def test_c01_codes_are_uniform() -> None:
    """A million draws, chi-square over 1,000 bins; a fair source fails this once in about 10,000 runs."""
    draws, bins = 1_000_000, 1_000
    codes = [new_code() for _ in range(draws)]
    assert all(len(code) == 6 and code.isascii() and code.isdigit() for code in codes)
    counts = Counter(int(code) * bins // 10**6 for code in codes)
    chi_square = sum((counts[b] - draws / bins) ** 2 / (draws / bins) for b in range(bins))
    # Wilson and Hilferty: the cube root of chi-square over its degrees of freedom is nearly normal.
    free = bins - 1
    z = ((chi_square / free) ** (1 / 3) - (1 - 2 / (9 * free))) / math.sqrt(2 / (9 * free))
    assert abs(z) < 3.9


def test_c12_a_secret_has_256_random_bits() -> None:
    secrets = {new_secret() for _ in range(1000)}
    assert len(secrets) == 1000
    assert all(len(secret) == 43 for secret in secrets)


def everything_in(database: str) -> str:
    """Every row of every table, as text."""
    with connect(database) as connection:
        tables = [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
        query = sql.SQL("SELECT t::text FROM {} t")
        rows = (row[0] for table in tables for row in connection.execute(query.format(sql.Identifier(table))))
        return "\n".join(rows)


def everything_published(world: World) -> str:
    """Every record of the topic, headers and value, as the relay sends them."""
    stored = world.auth.backbone.recorder.select_notifications(start=1, limit=1_000_000)
    records = [wire("auth", notification) for notification in stored]
    return "\n".join(f"{headers} {value.decode()}" for headers, value in records)


def forms_of(canary: str) -> set[str]:
    """As it is, and as it would stand in bytes, in base64 and in JSON."""
    return {
        canary,
        canary.encode().hex(),
        base64.b64encode(canary.encode()).decode().rstrip("="),
        json.dumps(canary)[1:-1],
    }


async def test_c16_no_code_seed_or_secret_stands_in_the_database_in_the_topic_or_in_the_logs(
    world: World, database: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """C-29: a canary of each kind goes through everything that there is to do, done well and done wrong."""
    monkeypatch.setattr("secrets.randbelow", lambda _: 907_316)
    login = await world.ask(ANNA, client="192.0.2.77")
    refused = await world.give(login.challenge, "907317", client="192.0.2.77")
    session = (await world.give(login.challenge, login.code, client="192.0.2.77")).json()
    token = (await world.exchange(session["session"])).json()["token"]
    anna = await with_app(world)
    app_code, wrong_app_code = anna.code(), other_than(anna.code())
    await anna.choose("both")
    both = await world.ask(ANNA, device=session["device"])
    await world.give(both.challenge, wrong_app_code, by="authenticator-app", device=session["device"])
    await world.give(both.challenge, app_code, by="authenticator-app", device=session["device"])
    await world.give(both.challenge, anna.recovery_codes[0], by="recovery-code")
    await world.give(both.challenge, both.code, device=session["device"])
    await world.auth.mailer.deliver_due()
    dump, published = everything_in(database), everything_published(world)
    out, err = capfd.readouterr()
    assert ANNA in dump, "the scan sees what is there"
    assert session["session_id"] in dump
    assert session["session_id"] in published
    canaries: list[str] = ["907316", "907317", app_code, wrong_app_code, anna.seed, *anna.recovery_codes]
    canaries += [code.replace("-", "") for code in anna.recovery_codes]
    canaries += [login.challenge, both.challenge, session["session"], session["device"], anna.session, token]
    canaries += [PEPPER, SECRETS_KEY, "192.0.2.77"]
    for canary in canaries:
        for form in forms_of(canary):
            standing = re.compile(rf"(?<![0-9a-f]){re.escape(form)}(?![0-9a-f])")
            assert not standing.search(dump), (canary, form)
            assert not standing.search(published), (canary, form)
            assert form not in out + err, (canary, form)
    assert "907317" not in refused.text


async def test_c16_the_pepper_can_be_changed_while_codes_are_under_way(world: World, database: str) -> None:
    login = await world.ask(ANNA)
    doras = await world.ask(DORA)
    world.clock.turn(minutes=1)
    told = settings_for(database).model_dump()
    changed = {"code_pepper": SecretStr("another pepper, of 32 letters, too"), "code_pepper_version": 2}
    before = {"code_pepper_before": SecretStr(PEPPER)}
    after = assemble(Settings.model_validate(told | changed | before), world.clock)
    later = assemble(Settings.model_validate(told | changed), world.clock)
    async with running(after.backbone, later.backbone):
        old, new = (replace(world, auth=auth) for auth in (after, later))
        assert (await old.give(login.challenge, login.code)).status_code == 201, "made under the one before"
        renewed = await old.ask(ANNA)
        assert (await new.give(renewed.challenge, renewed.code)).status_code == 201
        assert (await new.give(doras.challenge, doras.code)).status_code == 401, "once the one before is gone"
    versions = await world.auth.backbone.database.rows("SELECT DISTINCT pepper FROM codes ORDER BY 1")
    assert [row["pepper"] for row in versions] == [1, 2]


async def test_c23_the_secrets_key_can_be_changed_without_taking_anybodys_app(world: World, database: str) -> None:
    anna = await with_app(world)
    told = settings_for(database).model_dump()
    changed = {"secrets_key": SecretStr("another secrets key, of 32 letters")}
    after = assemble(
        Settings.model_validate(told | changed | {"secrets_key_before": SecretStr(SECRETS_KEY)}), world.clock
    )
    without = assemble(Settings.model_validate(told | changed), world.clock)
    async with running(after.backbone, without.backbone):
        challenge = (await world.post("/login/codes", email=ANNA, by="authenticator-app")).json()["challenge"]
        lost, kept = (replace(world, auth=auth) for auth in (without, after))
        assert (await lost.give(challenge, anna.code(), by="authenticator-app")).status_code == 401
        assert (await kept.give(challenge, anna.code(), by="authenticator-app")).status_code == 201


async def test_a_session_secret_is_kept_as_a_digest_only(world: World) -> None:
    session = await world.logged_in(ANNA)
    row = await world.row("SELECT digest FROM session_secrets")
    assert bytes(row["digest"]) == Codes.of_secret(session["session"])
    assert (await world.exchange(bytes(row["digest"]).hex())).status_code == 401


def test_c16_the_stored_form_depends_on_pepper_challenge_purpose_and_code() -> None:
    forms = {
        Codes(pepper).of_code(challenge, purpose, code)
        for pepper in ("one", "other")
        for challenge, purpose in (("a", "bc"), ("ab", "c"))
        for code in ("012345", "012346")
    }
    assert len(forms) == 8


def test_c17_a_sealed_field_opens_only_where_it_was_sealed() -> None:
    sealer = Sealer(SECRETS_KEY)
    sealed = sealer.seal(b"012345", about="mails/1/code")
    assert sealer.open(sealed, about="mails/1/code") == b"012345"
    assert sealer.seal(b"012345", about="mails/1/code") != sealed, "a fresh nonce each time"
    with pytest.raises(SealBroken):
        sealer.open(sealed, about="mails/2/code")
    with pytest.raises(SealBroken):
        Sealer(PEPPER).open(sealed, about="mails/1/code")
    for place in range(len(sealed)):
        altered = bytes(byte ^ (index == place) for index, byte in enumerate(sealed))
        with pytest.raises(SealBroken):
            sealer.open(altered, about="mails/1/code")
    with pytest.raises(SealBroken):
        sealer.open(sealed[:5], about="mails/1/code")


def test_production_refuses_weak_secrets_and_never_prints_them(database: str) -> None:
    good = settings_for(database).model_copy(update={"environment": "production"}).model_dump()
    good["kafka"] = {"replication_factor": 3, "min_insync_replicas": 2}
    Settings.model_validate(good)
    for wrong in ({"code_pepper": "development"}, {"secrets_key": "x" * 31}, {"secrets_key": PEPPER}):
        with pytest.raises(ValidationError, match=r"at least 32|must not be the same") as refused:
            Settings.model_validate(good | {name: SecretStr(value) for name, value in wrong.items()})
        assert not any(value in str(refused.value) for value in wrong.values())
    with pytest.raises(ValidationError, match="5 tries"):
        Settings.model_validate(good | {"limits": {"tries_a_code": 6}})


def sources(folder: Path) -> list[tuple[Path, ast.Module]]:
    return [(file, ast.parse(file.read_text())) for file in sorted(folder.rglob("*.py"))]


def imported(tree: ast.Module) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


SECRET_WORDS = re.compile(
    r"(^|_)(code|codes|digest|digests|secret|secrets|token|tokens|given|challenge|seed|device|typed)$"
)


def compared_secrets(tree: ast.Module) -> list[str]:
    """Every `==` or `!=` beside a name or attribute that sounds like a code, a digest or a secret."""
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops)
        for side in (node.left, *node.comparators)
        if SECRET_WORDS.search(side.id if isinstance(side, ast.Name) else getattr(side, "attr", ""))
    ]


def test_c18_the_check_for_compared_secrets_sees_one() -> None:
    assert compared_secrets(ast.parse("if row.digest == given: pass")) == ["row.digest == given"] * 2
    assert compared_secrets(ast.parse("ok = code != mailed_code")) == ["code != mailed_code"] * 2
    assert not compared_secrets(ast.parse("hmac.compare_digest(code, given) and kind == 'code'"))


def test_c18_no_code_digest_or_secret_is_compared_with_equals() -> None:
    found = {str(file): compared for file, tree in sources(AUTH) if (compared := compared_secrets(tree))}
    assert found == {}


def test_c01_the_random_module_is_imported_nowhere_in_auth_and_shared() -> None:
    for folder in (AUTH, ROOT / "shared"):
        for file, tree in sources(folder):
            assert not imported(tree) & {"random", "numpy.random"}, file


def test_s07_only_the_one_wrapper_calls_pyjwt() -> None:
    users = {
        file.relative_to(ROOT)
        for folder in ("services", "shared", "deploy")
        for file, tree in sources(ROOT / folder)
        if any(name == "jwt" or name.startswith("jwt.") for name in imported(tree))
    }
    assert users == {Path("shared/tokens.py")}
