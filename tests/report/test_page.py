"""The page a person reads after a night."""

import datetime as dt
import errno
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pandas as pd
import pytest
from tests.conftest import STAGES

from recaug.config import loads
from recaug.errors import StorageError
from recaug.lake.store import Store
from recaug.lake.tables import Lake
from recaug.night import report
from recaug.night.context import Context
from recaug.report import learning_curve, page, plots
from recaug.report.series import Series
from recaug.results import Arm, ArmResult, Interval, Part, Publish


class Text(HTMLParser):
    """Collects a page's visible words, its ids and what it refers to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.ids: set[str] = set()
        self.references: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        for key, value in attrs:
            if key == "id":
                self.ids.add(value or "")
            if key in ("href", "src", "xlink:href"):
                self.references.append(value or "")

    def handle_data(self, data: str) -> None:
        if "style" not in self.open[-1:]:
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        return " ".join(word for word in self.words if word)


@pytest.fixture(scope="module")
def night(published: Context) -> page.Night:
    """What the page of the published night is made from."""
    return report.collect(published)


def until(night: page.Night, reached: int) -> page.Night:
    """The night as it is recorded after its first `reached` stages."""
    kept = STAGES[:reached]
    gone = set() if "augment" in kept else {"examples", "histories"}
    gone |= set() if "prepare" in kept else {"popularity", "lengths", "gaps", "categories"}
    gone |= set() if "ingest" in kept else {"quarantine"}
    stages = {stage: record for stage, record in night.stages.items() if stage in kept}
    return replace(night, stages=stages, **dict.fromkeys(gone))


def decided(night: page.Night, decision: str, reason: str) -> page.Night:
    """The night with another end."""
    judged = replace(night.stages["evaluate"], decision=decision, reasons=[reason])
    done = replace(night.stages["publish"], decision=decision, reasons=[reason], metrics=Publish(augmented=0))
    return replace(night, stages={**night.stages, "evaluate": judged, "publish": done})


def test_a_published_night_shows_everything(published: Context) -> None:
    result = report.run(published)
    html = published.folder.read("report/index.html").decode()
    read = Text(html)
    assert result.metrics.bytes == len(html.encode()) > 50_000
    assert "788 generated rows of the VAE are the partition of 2017-01-28." in read.text
    assert "NDCG@10 of cold users rises by 12.0 %" in read.text
    assert {"rows", "training", "likeness", "metrics", "lift", "users", "cost", "versions"} <= read.ids
    assert html.count("<svg role") == 3 + 4  # curves of VAE and GAN, collapse; four distributions
    assert "10 generated users and where they come from" in read.text
    for said in (
        "SASRec + VAE rows",
        "co-visitation",
        "popularity",
        "no user_id",
        "2 leak checks",
        "CPU minutes",
        "What the policy tried",
        "As sessions. NDCG@10 of validation users whom the counts leave out",
        "by each way: sessions .0612, baskets .0481.",
        "counts-tail-1-2",
        "1,512 MB",
        "pyspark",
        "3.5.",
    ):
        assert said in read.text
    assert "table augmented_events version 0" in read.text


def test_a_held_night_says_why(night: page.Night) -> None:
    why = "the interval of the NDCG@10 lift, -3.0 to 5.0 %, reaches below 0 %"
    html = page.render(decided(night, "hold", why))
    read = Text(html)
    assert "Held: no generated rows for 2017-01-28." in read.text
    assert why in read.text
    assert "0 rows published" in read.text
    assert len(html) > 50_000


@pytest.mark.parametrize("reached", range(len(STAGES)))
def test_a_night_that_stopped_shows_what_there_is(night: page.Night, reached: int) -> None:
    read = Text(page.render(until(night, reached)))
    shown = {"rows": 1, "likeness": 2, "training": 3, "users": 4, "metrics": 5, "lift": 5}
    for section, after in shown.items():
        assert (section in read.ids) == (reached >= after), section
    if reached < 5:
        assert f"{', '.join(STAGES[reached:-1])} are not recorded" in read.text


def test_a_night_without_candidates_still_shows_the_real_distributions(
    published: Context, record: Callable[..., None]
) -> None:
    tomorrow = replace(published, date=published.date + dt.timedelta(days=1))
    record(tomorrow, "ingest", "prepare", "train", "augment")
    night = report.collect(tomorrow)
    assert set(night.popularity["series"]) == {"real"}
    html = page.render(night)
    read = Text(html)
    assert {"rows", "training", "likeness", "cost"} <= read.ids
    assert "users" not in read.ids
    assert "evaluate, refit, publish, recommend are not recorded" in read.text
    assert night.quarantine is not None
    assert list(night.quarantine["reason"]) == ["no user_id"]
    assert "one user has 3000 of 13020 rows: a robot?" in read.text
    assert "20 ignored by a rule" in read.text
    assert "8 of later days" in read.text
    assert len(html) > 50_000


def test_a_lake_without_any_table_gives_a_page(published: Context, lake: Lake) -> None:
    read = Text(page.render(report.collect(replace(published, lake=lake))))
    assert read.ids == {"content", "versions"}


def test_another_configuration_s_records_do_not_belong_to_the_night(published: Context) -> None:
    other = msgspec.structs.replace(published.config, seed=published.config.seed + 1)
    assert published.night()
    assert set(replace(published, config=other).night()) == {"ingest"}  # which no seed decides


def test_an_interval_without_bounds_is_its_mean_alone() -> None:
    """intervals_of_few_hits: of few users there is a mean, and the pages of studies broke for want of bounds."""
    shown = page.templates().from_string("{{ value | between | safe }}")
    assert shown.render(value={"mean": 0.1, "low": None, "high": 0.2}) == ""
    assert shown.render(value=Interval(mean=0.15, low=0.1, high=0.2)) == '<span class="between">.1000 to .2000</span>'
    assert learning_curve.lift_cell({"mean": 0.05, "low": None, "high": None}) == "+5.0%"
    unbounded = {"model": "counts", "mean": 0.1, "low": None, "high": None}
    assert "<svg" in plots.quality(pd.DataFrame([unbounded | {"slice": f"{part} users"} for part in ("all", "cold")]))


def test_the_page_needs_nothing_outside_itself(night: page.Night) -> None:
    html = page.render(night)
    read = Text(html)
    assert all(reference.startswith(("#", "data:")) for reference in read.references)
    assert not re.search(r"url\((?!['\"]?#)|@import|<script", html)


def test_every_reference_inside_the_page_leads_somewhere(night: page.Night) -> None:
    html = page.render(night)
    read = Text(html)
    used = {reference[1:] for reference in read.references if reference.startswith("#")}
    assert used | set(re.findall(r"url\(#([^)]+)\)", html)) <= read.ids


def test_the_same_night_gives_the_same_page(night: page.Night) -> None:
    assert page.render(night) == page.render(night)


def test_titles_of_the_shop_cannot_break_the_page(night: page.Night) -> None:
    evil = night.histories.assign(title="<script>alert(1)</script>")
    html = page.render(replace(night, histories=evil))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    published: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = replace(published, artifacts=Store(tmp_path))
    context.folder.write("report/index.html", "the old one")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"report/.*: .*; free space or set artifacts elsewhere"):
        report.run(context)
    assert context.folder.list("report/*") == ["report/index.html"]
    assert context.folder.read("report/index.html") == b"the old one"


def test_above_the_page_lies_what_the_night_ran_with(published: Context) -> None:
    report.run(published)
    written = published.folder.read(report.CONFIG).decode()
    assert loads(written) == published.config
    assert "  event_types: [purchase] # given\n" in written
    assert "  train_days: 21 # default\n" in written


def test_continuations_stand_beside_the_event_that_they_follow(night: page.Night) -> None:
    real = night.histories[night.histories["series"] == "real"]
    parents = real.iloc[:2]
    user = parents["user_id"].iloc[0]
    follows = parents.assign(
        series="vae", parent_event_id=list(parents["event_id"]), title=["first next", "second next"]
    )
    examples = pd.DataFrame(
        [{"series": "vae", "user_id": user, "source_users": [user], "whole": False, "fidelity": 1.0}]
    )
    (card,) = page.example_cards(replace(night, examples=examples, histories=pd.concat([real, follows])))
    beside = [[made["title"] for made in event["next"]] for event in card.real[user]]
    assert beside[:2] == [["first next"], ["second next"]]
    assert not any(beside[2:])


def test_a_generator_that_the_report_has_never_heard_of_has_its_label_colour_and_place(night: page.Night) -> None:
    name, label = "shop.seasons:Seasons", "seasons"
    own = [*night.generators, Series(name, label, ("#123456", "#abcdef"))]
    judged = night.stages["evaluate"]
    arm = msgspec.structs.replace(judged.metrics.arms["vae"], arm=Arm(name=name, parts=(Part(generators=(name,)),)))
    both = Arm(name="vae+shop.seasons:Seasons", parts=(Part(generators=("vae", name)),))
    joined: ArmResult = msgspec.structs.replace(arm, arm=both)
    trial = msgspec.structs.replace(judged.metrics, arms=judged.metrics.arms | {name: arm, both.name: joined})
    swapped = {"gan": name}
    night = replace(
        night,
        generators=own,
        stages={**night.stages, "evaluate": replace(judged, metrics=trial)},
        popularity=night.popularity.replace({"series": swapped}),
        examples=night.examples.replace({"series": swapped}),
        histories=night.histories.replace({"series": swapped}),
    )
    html = page.render(night)
    variable = own[-1].variable
    assert re.fullmatch(r"--[A-Za-z0-9_-]+", variable)
    assert f"{variable}: #123456;" in html
    assert f"{variable}: #abcdef;" in html
    assert f'style="--own: var({variable})"' in html  # of its users
    figures = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    drawn = [figure for figure in figures if f"var({variable})" in figure]
    assert len(drawn) == 1 + 4  # popularity, and the arm's lifts: of all, cold and warm users, and of rare targets
    assert label in drawn[-1]
    text = Text(html).text
    assert "SASRec + seasons rows" in text
    assert "SASRec + rows of VAE and seasons" in text
    assert text.index("SASRec + GAN rows") < text.index("SASRec + seasons rows") < text.index("rows of VAE and seasons")


def test_every_colour_of_the_page_is_one_that_it_has(night: page.Night) -> None:
    html = page.render(night)
    assert set(re.findall(r"var\((--[^)]+)\)", html)) <= set(re.findall(r"(--[A-Za-z0-9_-]+):", html))


def test_beside_the_page_lie_the_users_whom_it_names(published: Context, night: page.Night) -> None:
    report.run(published)
    users = json.loads(published.folder.read(f"report/{report.SHOWN_USERS}"))
    html = published.folder.read("report/index.html").decode()
    named = re.findall(r"<h4>source user ([^<,:]+)", html)
    assert users == sorted(set(named))
    assert users
    user = users[0]
    continued = [{"series": "vae", "user_id": user, "source_users": [], "whole": False, "fidelity": 1.0}]
    assert page.users_on(replace(night, examples=pd.DataFrame(continued))) == [user]
    assert page.users_on(replace(night, examples=None)) == []
