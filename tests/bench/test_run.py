import pytest
from tests.bench.run import UNITS, Bench, measure, table
from tests.conftest import THIN_DAY


@pytest.mark.slow
def test_every_bench_measures_on_the_tables_of_a_night(night, tmp_path):
    config, summary = night
    bench = Bench(config, 1, THIN_DAY, tmp_path)
    assert bench.ingest() == summary["rows"]["in"]
    assert bench.sessions() == bench.sequences_() == bench.n_events == summary["rows"]["events"]
    measured = measure(bench, 1, UNITS)
    assert set(measured["benches"]) == set(UNITS)
    assert all(rate > 0 for one in measured["benches"].values() for rate in one["rates"])
    lines = table({1: measured}).splitlines()
    assert [line.split(",")[0] for line in lines[1:-1]] == [name.replace("_", " ") for name in UNITS]
    assert all(
        ("met" in line or "missed" in line) == (aim is not None)
        for line, (_, aim) in zip(lines[1:-1], UNITS.values(), strict=True)
    )
