"""Files: which there are, what they are called, how long they are, what is documented."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeGuard

from tests.architecture.tree import CODE, sources, words

FILES = {"README.md", "__init__.py", "__main__.py", "service.py", "api.py", "use_cases.py", "events.py", "reactions.py"}
FOLDERS = {"domain", "views", "adapters"}
SPLIT = {"api", "use_cases"}
"""What may be a folder of the same name instead, one file for each aggregate or question, where one would be long."""
MUST = {"README.md", "__main__.py", "service.py", "api.py"}
OF_ITS_OWN: Mapping[str, set[str]] = {
    "auth": {"ended_sessions.py", "keys.py", "upkeep.py"},
    "audit": {
        *("about.py", "analysis", "canonical.py", "notebooks"),
        *("past.py", "past_api.py", "policy_replay.py", "proof"),
    },
    "profiles": {
        *("access.py", "conditions.py", "consequences.py", "explaining.py", "explaining_api.py"),
        *("policy.py", "reach.py"),
    },
    "gateway": {
        *("contract.py", "credentials.py", "development.py", "json_depth.py", "limits.py", "outside.py"),
        *("proxy.py", "public.py", "refusing.py", "routing.py", "seals.py", "whereabouts.py"),
    },
}
"""What a service has beside the shape of all: published readings, and the gateway's way from request to service."""
LONGEST: Mapping[str, int] = {"shared": 330, "services": 330, "deploy": 330, "tests": 330}
SAY_NOTHING = {"utils", "util", "helpers", "helper", "common", "constants", "misc", "base"}
BUSINESS = {
    *("company", "companies", "account", "accounts", "agreement", "product", "products", "profile", "profiles"),
    *("bizz", "eticket", "journey", "invoice", "vehicle", "plate", "driver", "cvr", "administrator", "staff"),
}


def every_service_has_the_same_shape(root: Path) -> list[str]:
    """The files of style.md and no others; one may be missing, none is renamed."""
    found = []
    for service in _services(root):
        here = {entry.name for entry in service.iterdir() if entry.name != "__pycache__"}
        found += [f"{service.name} has {name} and {name}.py" for name in sorted(SPLIT & here) if f"{name}.py" in here]
        here = {f"{name}.py" if name in SPLIT else name for name in here}
        found += [f"{service.name} lacks {name}" for name in sorted(MUST - here)]
        unknown = here - FILES - FOLDERS - OF_ITS_OWN.get(service.name, set())
        found += [f"{service.name} has {name}, which no other service has" for name in sorted(unknown)]
    return found


def no_file_is_long(root: Path) -> list[str]:
    """A file is read in one go; a longer one is split by aggregate or question."""
    return [
        f"{file.relative_to(root)}: {length} lines"
        for folder, most in LONGEST.items()
        for file in sorted((root / folder).rglob("*.py"))
        if (length := len(file.read_text().splitlines())) > most
    ]


def every_name_says_something(root: Path) -> list[str]:
    """No utils, helpers, common, constants: such a file grows for ever and nobody finds anything in it."""
    return [
        str(path.relative_to(root))
        for folder in (*CODE, "tests")
        for path in sorted((root / folder).rglob("*"))
        if words(path.stem) & SAY_NOTHING and "__pycache__" not in path.parts
    ]


def the_mechanism_knows_no_business_word(root: Path) -> list[str]:
    """Nothing in `shared` is named after the business, and no event is declared there."""
    found = []
    for file, module in sources(root, "shared"):
        found += [f"{file}: {name}" for name in sorted(set(_names(module))) if words(name) & BUSINESS]
        found += [f"{file}: event {node.name}" for node in ast.walk(module) if _declares_an_event(node)]
    return found


def what_is_public_is_explained(root: Path) -> list[str]:
    """Every module, public class and public function says what it is for."""
    found = []
    for file, module in sources(root, *CODE):
        if module.body and ast.get_docstring(module) is None:
            found.append(f"{file}")
        found += [
            f"{file}: {node.name}"
            for node in module.body
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
            and not node.name.startswith("_")
            and ast.get_docstring(node) is None
        ]
    return found


def only_the_command_line_prints(root: Path) -> list[str]:
    """A service speaks through logs, which carry correlation ids and no personal data."""
    return [
        f"{file}:{node.lineno}"
        for file, module in sources(root, *CODE)
        if file.parts[:2] != ("deploy", "cli")
        for node in ast.walk(module)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def no_decision_looks_at_a_clock(root: Path) -> list[str]:
    """A decision is retried, so it is a pure function: the time is its argument."""
    return [
        f"{file}:{node.lineno}: {node.attr}"
        for file, module in sources(root, "services")
        if "domain" in file.parts
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}
    ]


def what_somebody_is_shown_is_asked_on_their_behalf(root: Path) -> list[str]:
    """A view that knows who asks asks as them (`database.asked_by(actor)`): the second wall stands behind it."""
    return [
        f"{file}:{call.lineno}: {node.name}"
        for file, module in sources(root, "services")
        if "views" in file.parts
        for node in ast.walk(module)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and "actor" in _names_of_arguments(node)
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and ast.unparse(call.func) in {"database.rows", "database.row"}
    ]


def every_event_field_is_classed(root: Path) -> list[str]:
    """None, pseudonym or personal: the declaration says what a field is to privacy."""
    return [
        f"{file}: {node.name}.{field.target.id}"
        for file, module in sources(root, "services")
        for node in ast.walk(module)
        if _declares_an_event(node)
        for field in node.body
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and not re.match(r"(Plain|Pseudonym|Personal)\[", ast.unparse(field.annotation))
    ]


def _services(root: Path) -> list[Path]:
    folders = (root / "services").iterdir()
    return sorted(folder for folder in folders if folder.is_dir() and folder.name != "__pycache__")


def _names(module: ast.Module) -> Iterator[str]:
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield name
            case _:
                pass


def _names_of_arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    return {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}


def _declares_an_event(node: ast.AST) -> TypeGuard[ast.ClassDef]:
    return isinstance(node, ast.ClassDef) and any(keyword.arg == "type" for keyword in node.keywords)
