"""A plan comes to what made figures say, and what cannot be planned is one line."""

from pathlib import Path

import msgspec
import pytest
from tests.conftest import CONF, STAGES

from recaug.cli import plan_capacity
from recaug.config.capacity import Cluster, Machine, load_clusters
from recaug.results.growth import GrownNight, Growth, Load, Size, StageCost
from recaug.studies.capacity import GROWS, check, curve, fit, load_growth, plan

MACHINE = Machine(cores=4, memory_gb=16, dollars_an_hour=2)
CLUSTER = Cluster(driver=MACHINE, executor=MACHINE, executors=5, core_speed=0.5, source="none", checked="2026-11-30")
SHIPPED = CONF / "capacity"
ASKED = ["--users", "1e6", "--items", "1e5", "--events-per-day", "1e7"]


def night(
    millions: float,
    executors: int = 0,
    others: tuple[str, ...] = ("users", "items"),
    wall: float = 8.0,
    slope: float = 1e-5,
    workers: float = 300.0,
) -> GrownNight:
    """Each stage takes 10 s of the processor and 10 s a million events more, and shuffles a MB a thousand events."""
    events = int(millions * 1e6)
    cost = StageCost(
        wall_seconds=wall,
        cpu_seconds=10 + slope * events,
        shuffle_mb=events / 1000,
        memory_mb={"driver": 200.0, "java": 3000.0, "python": workers},
    )
    return GrownNight(
        copies=millions,
        others=others,
        size=Size(events=events, users=events // 500, items=events // 20),
        executors=executors,
        cores=executors or 2,
        beside=0.0,
        made="2026-11-30",
        commit="abcdef0",
        stages=dict.fromkeys(GROWS, cost),
    )


def grown(*nights: GrownNight) -> Growth:
    return Growth(config="conf/bench/scale.yaml", machine="2 cores", days=91, nights=list(nights))


LOADS = [Load(taken=n, events=n, users=n / 500, items=n / 20) for n in (3e5, 1e6, 3e6, 1e7)]


def test_a_fit_finds_what_is_fixed_and_what_grows():
    found = fit(LOADS, [7 + 2e-5 * load.events for load in LOADS], ("events",))
    assert found.of == pytest.approx({"fixed": 7, "events": 2e-5}, rel=1e-6)


def test_a_fit_tells_users_from_pairs_of_a_user_and_an_item():
    true = {"fixed": 3.0, "users": 1e-3, "pairs": 2e-9}
    found = fit(LOADS, [3 + 1e-3 * load.users + 2e-9 * load.users * load.items for load in LOADS], ("users", "pairs"))
    assert found.of == pytest.approx(true, rel=1e-4)


def test_no_weight_is_negative_though_a_line_would_have_it_so():
    found = fit(LOADS, [1e-12 * load.events**2 for load in LOADS], ("events",))
    assert min(found.of.values()) >= 0


def test_what_is_fixed_takes_one_core_and_the_rest_all():
    load = Load(taken=1e9, events=1e9, users=2e6, items=5e7)
    found = plan(grown(night(1), night(3)), load, "made", CLUSTER)
    cores = 5 * 4 * 0.5 * 0.7
    hours = (10 / 0.5 + 1e4 / cores) / 3600  # of each stage
    assert found.stages["prepare"].hours == pytest.approx(hours, rel=1e-6)
    assert found.hours == pytest.approx(len(GROWS) * hours, rel=1e-6)
    assert found.dollars == pytest.approx(found.hours * (2 + 5 * 2))
    assert found.stages["prepare"].shuffle_gb == pytest.approx(1e6 / 1024)
    assert found.executor_gb == pytest.approx(4 * (1.5 + 300 / 1024))
    assert found.driver_gb == pytest.approx(3 + 200 / 1024)


def test_ingest_takes_a_day_where_the_others_read_the_windows():
    load = Load(taken=1e6, events=1e8, users=2e5, items=5e6)
    stages = plan(grown(night(1), night(3)), load, "made", CLUSTER).stages
    assert stages["ingest"].core_hours == pytest.approx(20 / 3600)
    assert stages["prepare"].core_hours == pytest.approx(1010 / 3600)


def test_a_plan_says_what_lies_beyond_and_by_how_much():
    found = plan(grown(night(1), night(3)), Load(taken=3e5, events=3e8, users=4000, items=1e5), "made", CLUSTER)
    assert found.beyond == pytest.approx({"taken": 0.3, "events": 100})


def test_a_machine_with_too_little_memory_is_named():
    nights = grown(night(1, workers=4000.0), night(3, workers=4000.0))
    found = plan(nights, LOADS[0], "made", CLUSTER)
    assert found.warnings == ("an executor needs 22 GB, and has 16",)
    assert plan(grown(night(1), night(3)), LOADS[0], "made", CLUSTER).warnings == ()


def test_a_second_executor_is_worth_what_it_was_where_most_was_measured():
    small = night(1, executors=1, wall=10.0), night(1, executors=2, wall=5.0)
    large = night(3, executors=1, wall=30.0), night(3, executors=2, wall=25.0)
    found = plan(grown(night(1), night(3), *large, *small), LOADS[0], "made", CLUSTER)
    assert "60% of what they could" in found.assumptions[1]


def test_other_nights_than_those_that_grow_in_all_are_no_part_of_the_curve():
    growth = grown(night(3), night(1), night(3, others=("users",)), night(1, executors=2))
    assert [one.copies for one in curve(growth)] == [1, 3]


def test_the_check_foretells_the_largest_night_from_the_others():
    found = check(grown(night(0.3), night(1), night(10, slope=2e-5)))
    assert found["train"]["CPU seconds"] == pytest.approx((110, 210), rel=1e-6)
    assert found["together"]["CPU seconds"] == pytest.approx((len(GROWS) * 110, len(GROWS) * 210), rel=1e-6)


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    path = tmp_path / "measured.json"
    path.write_bytes(msgspec.json.encode(grown(night(1), night(3))))
    return path


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.name)
def test_shipped_measurements_cover_every_stage(path):
    assert set(plan(load_growth(path), LOADS[0], "made", CLUSTER).stages) == set(GROWS) == {*STAGES} - {"report"}


def test_a_plan_on_a_shipped_cluster_prints_stages_and_assumptions(measured, capsys):
    assert set(GROWS) == {*STAGES} - {"report"}
    for name in load_clusters(SHIPPED / "clusters.yaml"):
        given = ["--clusters", str(SHIPPED / "clusters.yaml"), "--measured", str(measured), "--cluster", name]
        assert plan_capacity([*ASKED, *given]) == 0
        told = capsys.readouterr().out
        assert all(f"\n  {stage} " in told for stage in (*GROWS, "together"))
        for words in (
            "assumed:",
            "prices:",
            "dollars",
            "beyond what was measured: events of the windows are 190.0 times",
        ):
            assert words in told


def test_hours_that_are_asked_for_take_so_many_executors(measured, capsys):
    def run(*more: str) -> str:
        given = ["--clusters", str(SHIPPED / "clusters.yaml"), "--measured", str(measured), "--cluster", "emr-m5-20"]
        assert plan_capacity([*ASKED, *given, *more]) == 0
        return capsys.readouterr().out.splitlines()[-1]

    assert run("--hours", "0.01").startswith("0.01 hours: no number of executors is enough")
    # 160 s on one core, 36,500 s on twenty executors of 5.6 such cores: 326 s, where 200 are left
    assert run("--hours", "0.1") == "0.1 hours: 33 executors"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--cluster", "mine"], "--cluster mine is not in"),
        (["--users", "-1"], "--users is -1; give a number above 0"),
        (["--events-per-day", "nan"], "--events-per-day is nan"),
        (["--measured", "nowhere.json"], "nowhere.json: No such file or directory; make scale writes it"),
        (["--clusters", "nowhere.yaml"], "nowhere.yaml: No such file or directory; give --clusters an existing"),
        (["--clusters", str(CONF / "demo.yaml")], "demo.yaml: Expected `object`"),
    ],
)
def test_what_cannot_be_planned_is_one_line(given, words, measured, capsys):
    usual = ["--cluster", "emr-m5-20", "--clusters", str(SHIPPED / "clusters.yaml"), "--measured", str(measured)]
    assert plan_capacity([*ASKED, *usual, *given]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("text", ["{", '{"nights": []}'])
def test_a_file_that_is_no_measurement_is_one_line(text, tmp_path, capsys):
    path = tmp_path / "measured.json"
    path.write_text(text)
    usual = ["--cluster", "emr-m5-20", "--clusters", str(SHIPPED / "clusters.yaml"), "--measured", str(path)]
    assert plan_capacity([*ASKED, *usual]) == 2
    assert "make scale writes it" in capsys.readouterr().err


def test_nights_on_a_cluster_alone_are_no_curve(tmp_path, capsys):
    path = tmp_path / "measured.json"
    path.write_bytes(msgspec.json.encode(grown(night(1, executors=1))))
    usual = ["--cluster", "emr-m5-20", "--clusters", str(SHIPPED / "clusters.yaml"), "--measured", str(path)]
    assert plan_capacity([*ASKED, *usual]) == 2
    assert "a night in local mode with all stages is needed; run make scale" in capsys.readouterr().err


def test_of_one_night_all_grows_in_proportion():
    found = plan(grown(night(1)), Load(taken=1e6, events=3e6, users=6000, items=1.5e5), "made", CLUSTER)
    assert found.stages["ingest"].core_hours == pytest.approx(20 / 3600)
    assert found.stages["train"].core_hours == pytest.approx(60 / 3600)
    assert found.stages["train"].exponent is None
    assert "all grows in proportion" in found.assumptions[0]
