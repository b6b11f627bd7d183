import pytest
from tests.bench import run
from tests.bench.run import UNITS, Bench, measure, table, timed
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
    for volume, small in {"LOADER_ROWS": 2_000, "RANKED": 200, "WARM_UPS": 0}.items():
        monkeypatch.setattr(run, volume, small)
    config, summary = night
    bench = Told(config, 1, THIN_DAY, tmp_path)
    measured = measure(bench, 1, UNITS)
    rows = summary["rows"]
    assert bench.n_events == rows["events"]
    assert bench.told == {"ingest": [rows["in"]], "sessions": [rows["events"]], "sequences_": [rows["events"]]}
    assert set(measured["benches"]) == set(UNITS)
    assert all(rate > 0 for one in measured["benches"].values() for rate in one["rates"])
    lines = table({1: measured}).splitlines()
    assert [line.split(",")[0] for line in lines[1:-1]] == [name.replace("_", " ") for name in UNITS]
    assert all(
        ("met" in line or "missed" in line) == (aim is not None)
        for line, (_, aim) in zip(lines[1:-1], UNITS.values(), strict=True)
    )


def test_the_first_run_of_a_bench_does_not_count():
    runs = iter([0, 1000, 2000])
    rates = timed(lambda: next(runs), 2)
    assert len(rates) == 2
    assert all(rates)  # the warm-up's is 0
