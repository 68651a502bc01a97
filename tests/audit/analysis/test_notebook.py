"""H2: the worked notebook runs as it stands, cell after cell, and draws what it says."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
from matplotlib import pyplot

from services.audit.analysis.layout import Layout
from services.profiles.events import ProductAccessGranted, ProductAccessRevoked
from tests.audit.analysis.conftest import sample_events

NOTEBOOK = Path(__file__).parents[3] / "services" / "audit" / "notebooks" / "access.ipynb"


def cells() -> list[str]:
    return [
        "".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"
    ]


def test_h2_the_notebook_draws_the_grants_over_time_and_who_reached_what(
    exports: Mapping[Layout, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXPORT", str(exports["parquet"]))
    mpl.use("agg")
    names: dict[str, Any] = {}
    try:
        for cell in cells():
            exec(compile(cell, NOTEBOOK.name, "exec"), names)  # noqa: S102 (it is what the notebook is for)
        over_time, at_a_moment = map(pyplot.figure, pyplot.get_fignums())
        assert [line.get_label() for line in over_time.axes[0].lines] == list(names["KINDS"])
        assert len(at_a_moment.axes[0].lines) == len(names["grants"]) > 2
    finally:
        pyplot.close("all")
    events = [event.data for event in sample_events()]
    given = sum(isinstance(event, ProductAccessGranted) for event in events)
    taken = sum(isinstance(event, ProductAccessRevoked) for event in events)
    held = [grant for grant in names["held"].values() if isinstance(grant.data, ProductAccessGranted)]
    assert len(held) == given - taken


def test_the_notebook_is_kept_without_what_it_answered() -> None:
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
