"""An embedded PostgreSQL: one cluster in one folder, a database for each service and its three roles.

    with Postgres(folder=Path("var/postgres"), port=8132) as postgres:
        dsn, owner_dsn = postgres.create_database("products")

`products_owner` owns the database and makes its tables, `products` is who the service logs in as, `products_reader`
whom it becomes for a question that somebody asks (shared/wall.py).

The server is a child of this process and ends with it. It is durable unless a caller (a test) says otherwise.
"""

import json
import os
import re
import secrets
import shutil
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import psycopg
from psycopg import sql

from deploy.local.child import Launch, run
from deploy.local.keys import write_private
from deploy.local.part import PartFailed, Running, wait_until
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres_home import (
    enterable_home,
    find_binaries,
    major_version,
    own_folder,
    reachable_binaries,
    socket_folder,
    unprivileged_user,
)
from deploy.local.processes import children_of, is_running, is_server_of, kill_if

ADMIN = "postgres"
PREDECESSOR_PATIENCE = 15.0
"""Seconds a server whose parent just died may take to finish."""
DEFAULTS: Mapping[str, str] = {
    "max_connections": "300",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "jit": "off",  # short statements only: compiling them costs more than it brings
}
NOT_DURABLE: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""Settings for tests that never lose power; a database started with them must not be kept."""


class Addresses(NamedTuple):
    """Where a service logs in to its database, and where the owner of that database does."""

    service: str
    owner: str


class PostgresAlreadyRunning(Exception):
    """Another process serves this data folder."""


class Postgres:
    """One PostgreSQL cluster in `folder`, on loopback `port` (0: a free one) and a Unix socket."""

    name = "postgres"
    stop_signal = signal.SIGINT  # "fast shutdown": ends sessions, writes a checkpoint

    def __init__(self, *, folder: Path, port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        self.port = port or free_port()
        self._folder = folder.absolute()
        self._settings = {**DEFAULTS, **(settings or {})}
        self._making_databases = threading.Lock()
        self._running: Running | None = None

    # Started and stopped, by itself or by the supervisor ------------------------------------------------------------

    def prepare(self) -> None:
        """Find the binaries, create the cluster at the first start, clear what a crash left.

        Raises PostgresNotFound, PostgresAlreadyRunning.
        """
        data = self._folder / "home" / "data" if (self._folder / "home").exists() else self._folder / "data"
        self._user = unprivileged_user(data)
        self._home = enterable_home(self._folder, self._user)
        self._binaries = reachable_binaries(find_binaries(), self._home, self._user)
        self._data = self._home / "data"
        if not self._data.exists():
            self._initialise()
        self._refuse_other_version()
        self._wait_for_predecessor()
        self._socket = socket_folder(self._home, self.port, self._user)

    def launch(self) -> Launch:
        """The server in the foreground, with its settings as arguments: nothing in the data folder is edited."""
        settings = {
            **self._settings,
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": str(self._socket),
        }
        arguments = [argument for key, value in settings.items() for argument in ("-c", f"{key}={value}")]
        return Launch(
            argv=[str(self._binaries / "postgres"), "-D", str(self._data), *arguments],
            env=_environment(),
            user=self._user,
            folder=self._home,
            death_signal=signal.SIGINT,
        )

    def ready(self, pid: int, /) -> bool:
        """Whether the server accepts connections; it says so itself in its pid file."""
        lines = _lines(self._data / "postmaster.pid")
        return len(lines) > 7 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    def start(self) -> None:
        """Start and wait until connections are accepted. Raises PortInUse, PartFailed and what `prepare` raises."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._running = self._running or Running(self, self._folder / "postgres.log")
        self._running.start()

    def stop(self) -> None:
        """Stop in order and wait."""
        if self._running:
            self._running.stop()

    def kill(self) -> None:
        """SIGKILL the server and its backends, as a crash would; `start` recovers from the log."""
        if self._running and self._running.alive:
            backends = children_of(self._running.pid)  # each leads a group of its own
            self._running.kill()
            for backend in backends:
                kill_if(backend, lambda pid: is_server_of(pid, self._data, self._user))

    @property
    def pid(self) -> int:
        """Process id of the server; raises PartFailed while it is not running."""
        if self._running is None:
            raise PartFailed("this PostgreSQL was not started here")
        return self._running.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # Databases ------------------------------------------------------------------------------------------------------

    @property
    def admin_dsn(self) -> str:
        """Address of the cluster for its superuser."""
        return self._dsn(ADMIN, "postgres")

    def create_database(self, name: str) -> Addresses:
        """Make a database of that name and its roles, unless they are there."""
        with self._making_databases, psycopg.connect(self.admin_dsn, autocommit=True) as admin:
            self._ensure_roles(admin, name)
            if not _exists(admin, "pg_database", "datname", name):
                self._create(admin, name, service=name, template="template0")
        return Addresses(self._dsn(name, name), self._dsn(_owner(name), name))

    def clone_database(self, template: str, name: str) -> Addresses:
        """Make a database as a copy of `template`, with the same roles.

        Nobody may be connected to the template meanwhile.
        """
        with self._making_databases, psycopg.connect(self.admin_dsn, autocommit=True) as admin:
            self._create(admin, name, service=template, template=template)
        return Addresses(self._dsn(template, name), self._dsn(_owner(template), name))

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected to it; its roles stay."""
        with psycopg.connect(self.admin_dsn, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _ensure_roles(self, admin: psycopg.Connection, service: str) -> None:
        for role in (_owner(service), service):
            self._ensure_role(admin, role, sql.SQL("LOGIN PASSWORD {}").format(sql.Literal(self._password(role))))
        self._ensure_role(admin, _reader(service), sql.SQL("NOLOGIN").format())
        grant = sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE")
        admin.execute(grant.format(sql.Identifier(_reader(service)), sql.Identifier(service)))

    @staticmethod
    def _ensure_role(admin: psycopg.Connection, name: str, login: sql.Composed) -> None:
        if not _exists(admin, "pg_roles", "rolname", name):
            create = "CREATE ROLE {} NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS {}"
            admin.execute(sql.SQL(create).format(sql.Identifier(name), login))

    def _create(self, admin: psycopg.Connection, name: str, *, service: str, template: str) -> None:
        names = {
            "database": sql.Identifier(name),
            "owner": sql.Identifier(_owner(service)),
            "service": sql.Identifier(service),
            "template": sql.Identifier(template),
        }
        # Copied as files, and not page by page through the log: a third faster for databases as small as these.
        create = "CREATE DATABASE {database} OWNER {owner} TEMPLATE {template} STRATEGY file_copy"
        admin.execute(sql.SQL(create).format(**names))
        admin.execute(sql.SQL("REVOKE ALL ON DATABASE {database}, postgres, template1 FROM PUBLIC").format(**names))
        admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {database} TO {service}").format(**names))

    def _dsn(self, role: str, database: str) -> str:
        return f"postgresql://{role}:{self._password(role)}@{LOOPBACK}:{self.port}/{database}"

    def _password(self, role: str) -> str:
        """The role's password, made at first need and kept in `passwords.json`, which only its owner can read."""
        file = self._folder / "passwords.json"
        known: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        if role not in known:
            known[role] = secrets.token_urlsafe(24)
            write_private(file, json.dumps(known, indent=1))
        return known[role]

    # The cluster ----------------------------------------------------------------------------------------------------

    def _initialise(self) -> None:
        """Create the cluster beside its place and move it there: an interrupted start leaves no half cluster."""
        new = self._home / "data.new"
        shutil.rmtree(new, ignore_errors=True)
        own_folder(new, self._user)
        password = self._password_file(new.with_name("password.new"))
        try:
            self._initdb(new, password)
        finally:
            password.unlink()
        new.rename(self._data)

    def _password_file(self, file: Path) -> Path:
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text(self._password(ADMIN))
        if self._user:
            os.chown(file, self._user.uid, self._user.gid)
        return file

    def _initdb(self, data: Path, password: Path) -> None:
        options = [f"--username={ADMIN}", f"--pwfile={password}", "--auth=scram-sha-256", "--data-checksums"]
        options += ["--encoding=UTF8", *_locale(major_version(self._binaries))]
        if self._settings.get("fsync") == "off":
            options.append("--no-sync")
        argv = [str(self._binaries / "initdb"), "-D", str(data), *options]
        answer = run(Launch(argv=argv, env=_environment(), user=self._user, folder=self._home))
        if answer.returncode:
            raise RuntimeError(f"initdb failed:\n{answer.stdout}")

    def _refuse_other_version(self) -> None:
        has, ours = int((self._data / "PG_VERSION").read_text()), major_version(self._binaries)
        if has != ours:
            raise RuntimeError(
                f"{self._data} was made by PostgreSQL {has}; these binaries are {ours} ({self._binaries}). "
                f"Name PostgreSQL {has} in PG_BIN, or move the folder away to begin anew."
            )

    def _wait_for_predecessor(self) -> None:
        """Let a server whose parent just died finish; never touch a process that only happens to have its number.

        The server itself would take such a process for another server. A pid file that names nobody is left to it.
        """
        file = self._data / "postmaster.pid"
        if not (lines := _lines(file)):
            return
        pid = int(lines[0]) if re.fullmatch(r"\d+", lines[0].strip()) else 0
        if not wait_until(
            lambda: not is_server_of(pid, self._data, self._user), timeout=PREDECESSOR_PATIENCE, every=0.05
        ):
            raise PostgresAlreadyRunning(f"Process {pid} already serves {self._data}: stop it first")
        if is_running(pid):
            file.unlink(missing_ok=True)


def _owner(service: str) -> str:
    return f"{service}_owner"


def _reader(service: str) -> str:
    return f"{service}_reader"


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _locale(version: int) -> list[str]:
    """Byte order for sorting, Unicode for letters where the server itself can do it (17 and later)."""
    return ["--locale-provider=builtin", "--locale=C.UTF-8"] if version >= 17 else ["--no-locale"]


def _exists(admin: psycopg.Connection, catalogue: str, column: str, name: str) -> bool:
    query = sql.SQL("SELECT 1 FROM {} WHERE {} = %s").format(sql.Identifier(catalogue), sql.Identifier(column))
    return admin.execute(query, [name]).fetchone() is not None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except FileNotFoundError:
        return []
