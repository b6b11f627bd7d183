"""What a night says: a line a stage, as long as a screen is wide."""

import pytest
from tests.conftest import STAGES
from tests.report.made import stage
from tests.report.nights import METRICS

from recaug import cli
from recaug.night.story import decided, hanging, tell
from recaug.results import Ingest, Publish, Report, Train, TrainedModel

SAID = {
    "ingest": "13,000 rows_in: 12,500 events, 499 duplicates, 1 quarantined; 4,000 items; "
    "of 13,028 read 20 ignored, 8 later",
    "prepare": "9,000 events of 150 users and 4,000 items, 20 of the test's users cold, counted as "
    "sessions (NDCG@10 sessions .0612, baskets .0481)",
    "train": "vae 2 models in 24 s; gan 2 models in 24 s",
    "augment": "1,600 sampled, 1,557 candidates: 788 vae, 769 gan",
    "publish": "788 rows of vae published",
    "recommend": "3,000 recommendations, learnt from real rows and those of vae",
}


@pytest.mark.parametrize("name", SAID)
def test_a_stage_says_what_it_came_to(name: str) -> None:
    assert tell(stage(name, metrics=METRICS[name])) == SAID[name]


def test_every_stage_of_a_night_has_its_words() -> None:
    for name, metrics in (METRICS | {"report": Report(bytes=307_628)}).items():
        assert tell(stage(name, metrics=metrics)), name
    assert set(METRICS) | {"report"} == set(STAGES)


def test_a_generator_s_models_are_held_against_the_counts_where_both_were_measured() -> None:
    def model(ndcg: float | None, counts: float | None) -> TrainedModel:
        curves = [{"epoch": 1.0}] if ndcg is None else [{"epoch": 1.0, "validation_ndcg@10": ndcg}]
        return TrainedModel(
            name="m",
            folder="f",
            seed=1,
            seconds=6.4,
            generator="vae",
            fold=0,
            curves=curves,
            epoch=1,
            counts_ndcg=counts,
        )

    both = Train(models=[model(0.05, 0.04), model(0.07, 0.06)])
    assert tell(stage("train", metrics=both)) == "vae 2 models in 13 s, NDCG@10 .0600, the counts' .0500"
    for lacking in (model(None, 0.06), model(0.07, None)):
        half = Train(models=[model(0.05, 0.04), lacking])
        assert tell(stage("train", metrics=half)) == "vae 2 models in 13 s"
    assert tell(stage("train", metrics=Train(models=[]))) == "nothing that learns"


def test_nothing_is_said_of_rows_that_there_are_none_of() -> None:
    plain = Ingest(
        rows_in=230, events=230, duplicates=0, quarantined=0, items=9, reasons={}, days=(None, "d"), rows_read=230
    )
    assert tell(stage("ingest", metrics=plain)) == "230 rows_in: 230 events; 9 items"
    held = Publish(augmented=0, chosen="vae")
    assert tell(stage("publish", metrics=held)) == "0 rows published"


def test_a_night_fits_a_screen_of_24_lines_and_100_columns() -> None:
    """The longest lines are those of the demo: a source of which most is later, two generators, a held decision."""
    why = "vae: ndcg@10 changes by +1.7% [-0.7%, +4.3%] for all users and by +1.6% [-1.9%, +6.6%] for cold users"
    said = ["night of 2017-02-04, run 2017-02-04-e9ff99bd4db11b67"]
    said += [f"  {name:<10} {100.0:6.1f} s  {tell(stage(name, metrics=metrics))}" for name, metrics in METRICS.items()]
    said += decided({"decision": "hold", "reasons": [f"{why}; no lower bound is above +0.0%"], "search": None})
    lines = "\n".join(hanging(line, 100) for line in said).splitlines()
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 100
    assert " ".join(" ".join(lines).split()) == " ".join(" ".join(said).split())  # and no word is lost


def test_what_hangs_stands_below_the_text_and_an_address_is_not_cut() -> None:
    first, second = hanging(f"  {'train':<10} {44.7:6.1f} s  one two three four five six", 48).splitlines()
    assert second.index("six") == first.index("one")
    report = "report:   /a/long/address-with-hyphens/of/a/page/index.html"
    assert hanging(report, 30) == report
    markdown = "\n| model | HR@10 |\n|---|---|\n"
    assert hanging(markdown, 10) == markdown


def test_a_log_keeps_a_line_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = f"decision: hold: {'because ' * 40}"
    cli.say(line)
    assert capsys.readouterr().out == f"{line}\n"
