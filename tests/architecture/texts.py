"""What is written: the numbers of rules, and nothing that is true of one machine only."""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.architecture.tree import sources, tracked

RULES: Mapping[str, int] = {"A": 15, "C": 7, "H": 5, "L": 4, "P": 8}
"""The rules of the business, by their letter, numbered from 1: profiles and access, company, audit, login, products."""
BUILT = (
    *(f"A{number}" for number in range(1, 14)),
    *("C1", "C2", "C3", "C4", "C5", "C6", "C7", "H1", "H2", "H3", "H4", "L1", "L2", "L4"),
    *(f"P{number}" for number in range(1, 6)),
    "P7",
    "P8",
)
"""The rules that this version keeps; each is read aloud by a test."""
CITED = re.compile(r"\b([ACHLP])(\d{1,2})\b")
OF_ONE_MACHINE = re.compile(r"(?<![\w.$}~-])/(?:root|home|work|Users)/\w")
HOSTS_OF_REGISTRIES = re.compile(
    r"\b(?:pypi\.(?:org|python\.org)|pythonhosted\.org|npmjs\.(?:org|com)|repo1?\.maven\.(?:org|apache\.org)|"
    r"proxy\.golang\.org|crates\.io|artifactory|nexus\.)",
)
INDEXES = re.compile(r"--(?:extra-)?index-url[ =]\S|--find-links[ =]\S")


def only_rules_that_exist_are_cited(root: Path) -> list[str]:
    """A rule is cited by its number in code and READMEs of services; the number must be one of the list."""
    files = [file for suffix in ("*.py", "*.md") for file in sorted((root / "services").rglob(suffix))]
    return [
        f"{file.relative_to(root)}: {letter}{number}"
        for file in files
        for letter, number in CITED.findall(file.read_text())
        if not 1 <= int(number) <= RULES[letter]
    ]


def every_rule_that_is_built_is_read_aloud_by_a_test(root: Path) -> list[str]:
    """In the name or the docstring of a test, or of the module it stands in."""
    cited = {rule for _, module in sources(root, "tests") for text in _said_by_tests(module) for rule in _rules(text)}
    return [rule for rule in BUILT if rule not in cited]


def nothing_is_true_of_one_machine_only(root: Path) -> list[str]:
    """No home folders, no addresses of package registries: those are whoever's who installs this."""
    found = []
    for file in tracked(root):
        try:
            text = file.read_text()
        except UnicodeDecodeError:
            continue
        for pattern in (OF_ONE_MACHINE, HOSTS_OF_REGISTRIES, INDEXES):
            found += [f"{file.relative_to(root)}: {match[0]}" for match in pattern.finditer(text)]
    return [each for each in found if not each.startswith("tests/architecture/")]


def _said_by_tests(module: ast.Module) -> Iterator[str]:
    yield ast.get_docstring(module) or ""
    for node in ast.walk(module):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test_"):
            yield f"{node.name.replace('_', ' ').upper()} {ast.get_docstring(node) or ''}"


def _rules(text: str) -> Iterator[str]:
    """Rules named one by one (A4, A5) or as a range (A1–A3)."""
    for match in re.finditer(r"\b([ACHLP])(\d{1,2})(?:\s*[–-]\s*\1?(\d{1,2}))?\b", text):
        letter, first, last = match.groups()
        yield from (f"{letter}{number}" for number in range(int(first), int(last or first) + 1))
