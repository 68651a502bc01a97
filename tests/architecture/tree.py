"""Reading a source tree: every rule takes the root of one and answers what breaks it."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

CODE = ("shared", "services", "deploy")


def sources(root: Path, *folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """Every Python file below some folders, by its path in the tree, with what it says."""
    for folder in folders:
        for file in sorted((root / folder).rglob("*.py")):
            yield file.relative_to(root), ast.parse(file.read_text(), str(file))


def imports(module: ast.Module) -> Iterator[str]:
    """Every module that is imported, anywhere in a file, by its full name.

    `from shared import clock` and `from shared.clock import Clock` both count as `shared.clock…`.
    """
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_within(imported: str, *modules: str) -> bool:
    """Whether an import is one of these modules or something in them."""
    return any(imported == module or imported.startswith(f"{module}.") for module in modules)


def service_of(file: Path) -> str:
    """The service that a file below `services/` belongs to; empty for `services/__init__.py`."""
    return file.parts[1] if len(file.parts) > 2 else ""


def tracked(root: Path) -> list[Path]:
    """The files that belong to the repository: those of git, or all where there is no git."""
    if (root / ".git").exists():
        asked = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        names = [root / name for name in listed.split("\0") if name]
    else:
        names = list(root.rglob("*"))
    return sorted(file for file in names if file.is_file())


def words(name: str) -> set[str]:
    """The words of a name: of `lastAccount_id` they are last, account, id."""
    spaced = "".join(f" {letter}" if letter.isupper() else letter for letter in name.replace("_", " "))
    return {word.lower() for word in spaced.split()}
