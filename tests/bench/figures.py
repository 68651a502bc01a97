"""Figures of one section: a rate each, and what it is in proportion to another of the same run."""

from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass
class Figures:
    """Collects and prints; a ratio above 1 means faster than what it is compared with."""

    console: Console
    title: str
    _rows: list[tuple[str, str, str]] = field(default_factory=list)
    _rates: dict[str, float] = field(default_factory=dict)

    def rate(self, name: str, done: int, seconds: float, *, against: tuple[str, ...] = ()) -> None:
        """So many done in so many seconds."""
        self._rates[name] = done / seconds
        ratios = ", ".join(f"{self._rates[name] / self._rates[other]:.2f} × {other}" for other in against)
        self._rows.append((name, f"{done / seconds:,.0f}/s", ratios))
        self.console.print(f"  {name}: {done / seconds:,.0f}/s", style="dim")

    def note(self, name: str, value: str) -> None:
        """Something that is not a rate."""
        self._rows.append((name, value, ""))

    def show(self) -> None:
        table = Table(title=self.title, title_justify="left")
        table.add_column("what")
        table.add_column("measured", justify="right")
        table.add_column("in proportion")
        for row in self._rows:
            table.add_row(*row)
        self.console.print(table)
