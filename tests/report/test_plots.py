"""Figures say in text what they show, and leave colour and font to the page."""

import re

import matplotlib as mpl
import pandas as pd
import pytest

from recaug.report import distributions, plots
from recaug.report.series import Look

LOOKS = {
    "real": Look("real events", "--real"),
    "vae": Look("VAE", "--series-vae"),
    "gan": Look("GAN", "--series-gan"),
    "policy": Look("policy", "--ink"),
}
COUNTS = pd.DataFrame(
    [("real", 4, 1), ("real", 1, 6), ("vae", 3, 2), ("vae", 2, 2)], columns=["series", "events", "items"]
)


def figures() -> dict[str, str]:
    epochs = [("gan", f"gan-fold{fold}", epoch, "loss", 1 / epoch) for fold in (0, 1) for epoch in (1, 2, 3)]
    gaps = pd.DataFrame([("real", 0, 5), ("vae", 6, 1)], columns=["series", "bucket", "gaps"])
    mix = pd.DataFrame(
        [("real", f"aisle {number}", 20 - number) for number in range(14)] + [("vae", None, 3)],
        columns=["series", "category", "events"],
    )
    return {
        "popularity": plots.popularity(COUNTS, LOOKS),
        "lengths": plots.lengths(COUNTS.rename(columns={"items": "users"}), LOOKS),
        "gaps": plots.gaps(gaps, distributions.gap_names(), LOOKS),
        "categories": plots.categories(mix, LOOKS),
        "curves": plots.curves(
            pd.DataFrame(epochs, columns=["series", "model", "epoch", "measure", "value"]),
            {"loss": "loss, nats"},
            LOOKS,
        ),
    }


def words(svg: str) -> set[str]:
    return set(re.findall(r"<text[^>]*>([^<]*)</text>", svg))


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ("popularity", {"real events", "VAE", "item, by rank of popularity", "share of events"}),
        ("lengths", {"real events", "VAE", "events of a history", "histories at least so long"}),
        ("gaps", {"same moment", "6 to 24 h", "share of the gaps between two events, square-root scale"}),
        ("categories", {"aisle 0", "aisle 11", "3 others"}),
        ("curves", {"gan-fold0", "gan-fold1", "loss, nats", "epoch"}),
    ],
)
def test_a_figure_names_its_series_and_its_axes(figure: str, said: set[str]) -> None:
    assert said <= words(figures()[figure])


def test_one_epoch_alone_is_no_fraction() -> None:
    columns = ["series", "model", "epoch", "measure", "value"]
    values = pd.DataFrame([("gan", "gan-fold0", 4, "loss", 9.4)], columns=columns)
    numbers = {word for word in words(plots.curves(values, {}, LOOKS)) if re.fullmatch(r"[\d.]+", word)}
    assert "4" in numbers
    assert not any(number.startswith(("3.", "4.")) for number in numbers)


def test_series_differ_in_dash_or_mark_too() -> None:
    """Without colour: the lines of three series have three dash patterns, their dots three shapes."""
    counts = pd.concat([COUNTS, COUNTS[COUNTS["series"] == "vae"].assign(series="gan")])
    dashes = set(re.findall(r"stroke-dasharray: ?([\d., ]+)", plots.popularity(counts, LOOKS)))
    assert len(dashes) == 2  # the third line is solid
    mix = pd.DataFrame([(series, "GROCERY", 9) for series in ("real", "vae", "gan")])
    dots = plots.categories(mix.set_axis(["series", "category", "events"], axis=1), LOOKS)
    shapes = set(re.findall(r'<defs>\s*<path [^>]*d="([^"]+z)\s*"', dots))  # of marks, not of ticks
    assert len(shapes) == 3


def test_a_figure_has_a_name_for_those_who_do_not_see_it() -> None:
    named = plots.labelled("<svg width='1'><svg/></svg>", 'Mix of "aisle"')
    assert named == '<svg role="img" aria-label="Mix of &quot;aisle&quot;" width=\'1\'><svg/></svg>'


def test_every_colour_is_the_page_s() -> None:
    for name, svg in figures().items():
        colours = set(re.findall(r"(?:stroke|fill): ?([^;\"]+)", svg))
        assert all(colour == "none" or colour.startswith("var(--") for colour in colours), (name, colours)


def test_a_figure_is_the_same_every_time() -> None:
    assert figures() == figures()


def test_drawing_leaves_the_process_s_style_alone() -> None:
    before = dict(mpl.rcParams)
    figures()
    assert dict(mpl.rcParams) == before


def test_the_rank_frequency_curve_spans_all_items() -> None:
    """Real: one item with 4 of 10 events, then 6 with 1 of 10 each: ranks 1 to 7."""
    svg = plots.popularity(COUNTS[COUNTS["series"] == "real"], LOOKS)
    path = next(d for d in re.findall(r'<path d="(M[^"]+)"', svg) if d.count("L") == 3)
    points = [tuple(map(float, point)) for point in re.findall(r"[ML] ([\d.]+) ([\d.]+)", path)]
    assert points[0] == points[1]  # the one item at rank 1
    assert points[2][1] == points[3][1] > points[0][1]  # six items at the same, lower share (y runs down)
    assert points[3][0] > points[2][0] > points[1][0]


def test_a_text_of_the_data_is_no_formula() -> None:
    mix = pd.DataFrame([("real", "$a_$ deals", 20), ("real", "$x^2$", 2)], columns=["series", "category", "events"])
    assert {"$a_$ deals", "$x^2$"} <= words(plots.categories(mix, LOOKS))
    looks = {"real": Look("$$ of _our$ shop", "--real")}
    assert "$$ of _our$ shop" in words(plots.popularity(COUNTS[COUNTS["series"] == "real"], looks))
    ways = [("$a_$ size", "$w^$ way", 0.5, 0.4, 0.6)]
    ways_drawn = plots.ways(pd.DataFrame(ways, columns=["attribute", "way", "mean", "low", "high"]))
    assert {"$a_$ size", "$w^$ way"} <= words(ways_drawn)


def test_many_series_keep_colours_of_their_own() -> None:
    looks = {f"own{number}": Look(f"own {number}", f"--series-own{number}") for number in range(15)}
    counts = pd.DataFrame([(name, 2, 3) for name in looks], columns=["series", "events", "items"])
    drawn = plots.popularity(counts, looks)
    assert all(f"var({look.colour})" in drawn for look in looks.values())
