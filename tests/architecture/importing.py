"""Who may import whom."""

from collections.abc import Mapping
from pathlib import Path

from tests.architecture.tree import imports, is_within, service_of, sources

PURE = (
    *("abc", "collections", "dataclasses", "datetime", "decimal", "enum", "functools", "itertools", "math", "re"),
    "zoneinfo",
    *("string", "types", "typing", "unicodedata", "idna"),
)
"""What a rule may be written with: nothing that knows the time, the machine or chance."""
FOR_DOMAIN = ("shared.errors", "shared.actor", "shared.free_text", "shared.email_address")
READINGS = (
    *("services.auth.ended_sessions", "services.auth.keys"),
    *(f"services.profiles.{reading}" for reading in ("access", "consequences", "policy", "reach")),
)
"""Read models that a service publishes beside its events, so that everybody decides in the same way."""

ABOVE: Mapping[str, tuple[str, ...]] = {
    "events": ("domain", "views", "adapters", "use_cases", "reactions", "api", "service"),
    "domain": ("views", "adapters", "use_cases", "reactions", "api", "service"),
    "views": ("adapters", "use_cases", "reactions", "api", "service"),
    "adapters": ("use_cases", "reactions", "api", "service"),
    "use_cases": ("reactions", "api", "service"),
    "reactions": ("api", "service"),
    "api": ("reactions", "service"),
}
"""What each part of a service must not know, because it comes after it."""

ALLOWED: Mapping[str, tuple[str, ...]] = {
    "services/gateway/development.py": ("deploy.local.mailcatcher",),  # the inbox of `make run`, never in production
}


def rules_are_written_with_nothing_but_rules(root: Path) -> list[str]:
    """`domain/` imports the pure part of the standard library, its own events and the shared words of refusals."""
    return [
        f"{file}: {imported}"
        for file, module in sources(root, "services")
        if _part(file) == "domain"
        for imported in imports(module)
        if not is_within(
            imported,
            *PURE,
            *FOR_DOMAIN,
            f"services.{service_of(file)}.events",
            f"services.{service_of(file)}.domain",
        )
    ]


def nobody_knows_what_comes_after(root: Path) -> list[str]:
    """domain ← use_cases ← api and reactions ← service, and views beside the domain."""
    found = []
    for file, module in sources(root, "services"):
        after = ABOVE.get(_part(file), () if _part(file) == "__main__" else ("service",))
        unknown = [f"services.{service_of(file)}.{part}" for part in after if part != _part(file)]
        found += [f"{file}: {imported}" for imported in imports(module) if is_within(imported, *unknown)]
    return found


def the_mechanism_knows_no_service(root: Path) -> list[str]:
    """`shared` imports neither services nor deploy; services import nothing of deploy; no code imports tests."""
    unknown = {"shared": ("services", "deploy", "tests"), "services": ("deploy", "tests"), "deploy": ("tests",)}
    return [
        f"{file}: {imported}"
        for folder, modules in unknown.items()
        for file, module in sources(root, folder)
        for imported in imports(module)
        if is_within(imported, *modules) and not is_within(imported, *ALLOWED.get(file.as_posix(), ()))
    ]


def services_know_each_other_by_what_they_publish(root: Path) -> list[str]:
    """A service imports another only as its events or one of the published readings."""
    found = []
    for file, module in sources(root, "services"):
        for imported in imports(module):
            other = imported.split(".")[1] if imported.startswith("services.") else service_of(file)
            published = is_within(imported, f"services.{other}.events", *READINGS)
            if other != service_of(file) and not published:
                found.append(f"{file}: {imported}")
    return found


def the_gateway_knows_no_service(root: Path) -> list[str]:
    """The gateway is no authority: it imports nothing of any other service, not even events."""
    return [
        f"{file}: {imported}"
        for file, module in sources(root, "services/gateway")
        for imported in imports(module)
        if is_within(imported, "services") and not is_within(imported, "services.gateway")
    ]


def tokens_are_made_and_checked_in_one_place(root: Path) -> list[str]:
    """Only shared/tokens.py calls PyJWT."""
    return _importers(root, "jwt", ("shared", "services", "deploy"), besides="shared/tokens.py")


def nothing_is_left_to_chance(root: Path) -> list[str]:
    """C-01: no `random` where codes, secrets and identifiers are made."""
    return _importers(root, "random", ("shared", "services"))


def _importers(root: Path, wanted: str, folders: tuple[str, ...], besides: str = "") -> list[str]:
    return [
        f"{file}: {imported}"
        for file, module in sources(root, *folders)
        for imported in imports(module)
        if is_within(imported, wanted) and file.as_posix() != besides
    ]


def _part(file: Path) -> str:
    """The part of its service that a file is: `domain`, `views`, `api`, …"""
    return file.parts[2].removesuffix(".py") if len(file.parts) > 2 else ""
