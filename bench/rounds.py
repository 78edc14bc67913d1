"""What rounds of measurements say together: results, goals, and tables for a person."""

import dataclasses
import statistics


class Rounds:
    """Values by name and round. A ratio is taken within a round, where the machine was the same for both."""

    def __init__(self):
        self._values = {}  # name: (unit, {round: value})

    def add(self, name, round_, value, unit):
        self._values.setdefault(name, (unit, {}))[1][round_] = value

    def __contains__(self, name):
        return name in self._values

    def values(self, name):
        return list(self._values[name][1].values())

    def median(self, name):
        return statistics.median(self.values(name))

    def ratios(self, name, other):
        """Of the rounds that have both."""
        mine, theirs = (self._values.get(each, ("", {}))[1] for each in (name, other))
        return [value / theirs[round_] for round_, value in mine.items() if theirs.get(round_)]

    def ratio(self, name, other):
        """The median over the rounds that have both; None if there are none."""
        ratios = self.ratios(name, other)
        return statistics.median(ratios) if ratios else None

    def results(self, compared):
        """`results[]`: `compared` gives for a name those that it is set beside."""
        made = []
        for name, (unit, by_round) in self._values.items():
            values = by_round.values()
            ratios = {other: ratio for other in compared(name) if (ratio := self.ratio(name, other)) is not None}
            made.append({"name": name, "value": statistics.median(values), "unit": unit, "runs": len(values),
                         "min": min(values), "max": max(values), "ratio_to": ratios})
        return made


@dataclasses.dataclass(frozen=True)
class Goal:
    what: str
    bound: float
    measured: float
    most: bool = False  # an upper bound
    unit: str = ""  # "%": shares of one
    low: float | None = None
    high: float | None = None

    @property
    def met(self):
        return self.measured <= self.bound if self.most else self.measured >= self.bound

    def text(self, value):
        return f"{100 * value:.2f} %" if self.unit == "%" else f"{value:.2f}{self.unit}"

    def row(self):
        measured = self.text(self.measured)
        if self.low is not None:
            measured += f" ({self.text(self.low)} to {self.text(self.high)})"
        return [self.what, f"{'<=' if self.most else '>='} {self.text(self.bound)}", measured,
                "met" if self.met else "NOT MET"]

    def json(self):
        fields = dataclasses.asdict(self)
        return {key: value for key, value in fields.items() if value is not None} | {"met": self.met}


def table(header, rows):
    """Columns as wide as they need be; all but the first to the right."""
    lines = [header, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]

    def laid_out(line):
        cells = [cell.rjust(width) if column else cell.ljust(width)
                 for column, (cell, width) in enumerate(zip(line, widths))]
        return "  ".join(cells).rstrip()

    return "\n".join([laid_out(header), "  ".join("-" * width for width in widths), *map(laid_out, rows)])
