import pytest
from tests.bench import run
from tests.bench.run import UNITS, Bench, measure, table
from tests.conftest import THIN_DAY


class Told(Bench):
    """Keeps what some of the benches say that they did."""

    def __init__(self, *given):
        super().__init__(*given)
        self.told = {"ingest": [], "sessions": [], "sequences_": []}

    def ingest(self):
        self.told["ingest"].append(super().ingest())
        return self.told["ingest"][-1]

    def sessions(self):
        self.told["sessions"].append(super().sessions())
        return self.told["sessions"][-1]

    def sequences_(self):
        self.told["sequences_"].append(super().sequences_())
        return self.told["sequences_"][-1]


@pytest.mark.slow
def test_every_bench_measures_on_the_tables_of_a_night(night, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "LOADER_ROWS", 40_000)
    config, summary = night
    bench = Told(config, 1, THIN_DAY, tmp_path)
    measured = measure(bench, 1, UNITS)
    rows = summary["rows"]
    assert bench.n_events == rows["events"]
    assert bench.told == {"ingest": [rows["in"]] * 2, **dict.fromkeys(("sessions", "sequences_"), [rows["events"]] * 2)}
    assert set(measured["benches"]) == set(UNITS)
    assert all(rate > 0 for one in measured["benches"].values() for rate in one["rates"])
    lines = table({1: measured}).splitlines()
    assert [line.split(",")[0] for line in lines[1:-1]] == [name.replace("_", " ") for name in UNITS]
    assert all(
        ("met" in line or "missed" in line) == (aim is not None)
        for line, (_, aim) in zip(lines[1:-1], UNITS.values(), strict=True)
    )
