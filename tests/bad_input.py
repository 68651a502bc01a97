"""Input that no service may choke on: what is sent, and the statuses that are a fitting answer."""

from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from shared.http.edge import LARGEST_BODY

RAW: dict[str, bytes] = {
    "no body": b"",
    "not JSON": b"{",
    "not UTF-8": b'{"name": "\xff\xfe"}',
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "not a number": b'{"name": NaN}',
    "deep": b"[" * 100_000,
    "a number of 5,000 digits": b'{"name": ' + b"9" * 5_000 + b"}",
    "a duplicate that is wrong": b'{"name": "a", "name": 1}',
    "too large": b'{"name": "' + b"x" * 300_000 + b'"}',
}
WRONG: dict[str, object] = {
    "number": 1,
    "huge number": 10**400,
    "fraction": 1.5,
    "true": True,
    "list": ["x"],
    "object": {"x": 1},
    "NUL": "a\x00b",
    "lone surrogate": "a\ud800b",
    "line break": "a\nb",
    "blank": "   ",
    "endless": "x" * 10_000,
}


def wrong_bodies(body: dict[str, Any], optional: Sequence[str] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """The body with one thing wrong in it, at every depth, and what that is."""
    yield "an unknown field", {**body, "unknown": True}
    for field, value in body.items():
        for sent, wrong in WRONG.items():
            if not _is_right_for(value, wrong):
                yield f"{field} is a {sent}", {**body, field: wrong}
        if field not in optional:
            yield f"no {field}", {name: given for name, given in body.items() if name != field}
        if isinstance(value, dict):
            yield from ((f"{field}: {sent}", {**body, field: wrong}) for sent, wrong in wrong_bodies(value))


def _is_right_for(value: object, wrong: object) -> bool:
    """What is wrong for a text is right where a yes or a small number is asked for."""
    return type(wrong) is type(value) and wrong in (True, 1)


def wrong_ids(kind: str) -> Iterator[str]:
    """What may stand in a path where the identifier of such a thing is expected, and is none."""
    yield from (
        f"{kind}-{'f' * 32}",
        f"{kind}-{'F' * 32}",
        f"{kind}-{'f' * 31}",
        "1",
        "%00",
        "%ff",
        f"{kind}-%00",
        "x" * 2_000,
        f"other-{'f' * 32}",
        "%27%20OR%201%3D1",
    )


def must_be_a_problem(answer: httpx.Response, *statuses: int, sent: str = "") -> None:
    """The answer is problem+json with one of the statuses (any 4xx when none is named), and says so in its body."""
    told = f"{sent}: {answer.status_code} {answer.text[:300]}"
    assert answer.status_code in (statuses or range(400, 500)), told
    assert answer.headers["content-type"] == "application/problem+json", told
    body = answer.json()
    assert body["status"] == answer.status_code, told
    assert {"type", "title", "code", "detail"} <= body.keys(), told


def raw_status(raw: bytes) -> tuple[int, ...]:
    """The statuses that fit a raw body: 413 for the one that is too large, 400 or 422 for the rest."""
    return (413,) if len(raw) > LARGEST_BODY else (400, 422)
