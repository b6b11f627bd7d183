"""docs/configuration.md."""

from pathlib import Path

import pytest
from msgspec import inspect as types

from recaug.config import Config, Optimiser, Prepare
from recaug.config.reference import PAGE, in_words, in_yaml, page, said, sections, split_at_keys
from recaug.generators.gan import GAN
from recaug.generators.registry import classes

ROOT = Path(__file__).parents[2]


def test_the_page_is_as_made_from_the_structs():
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(), "run make docs"


ROOMS = [*sections("", types.type_info(Config))]
ROOMS += [room for kind, kinds in classes().items() for room in sections(f"kind: {kind}", types.type_info(kinds))]


SOURCES = ("lake", "spark", "source", "images.source")  # their docstrings say some keys in their first line alone


@pytest.mark.parametrize(
    "room", [room for room in ROOMS if not room.path.startswith(SOURCES)], ids=lambda room: room.path
)
def test_every_key_says_what_it_means(room):
    _, keys = said(room.struct.cls)
    values = [field for field in room.struct.fields if not isinstance(field.type, types.StructType)]
    assert [field.encode_name for field in values if not keys.get(field.encode_name)] == []


def test_keys_are_told_from_prose():
    prose, keys = said(Prepare)
    assert prose.startswith("Windows before the night")
    assert "whole weeks" in prose
    assert keys["holdout"] == "of the splits `share` and `users`."
    assert keys["train_days"] == keys["test_days"]
    _, keys = said(GAN)
    assert "stand twice" in keys["name"]  # the field own_name
    assert keys["informed"].startswith("adds the co-visitation score")  # of the class that it derives from
    assert split_at_keys("A b: of c. d, e: of f; b: of g, where e: is none.", {"b", "d", "e"}) == (
        "A b: of c.",
        {"d": "of f", "e": "of f", "b": "of g, where e: is none."},
    )


def test_types_and_defaults_are_in_words():
    words = {field.name: in_words(field.type) for field in types.type_info(Prepare).fields}
    assert words["head_share"] == "number from 0 to 1"
    assert words["folds"] == "whole number, 2 or more"
    assert words["task"] == "`discovery`, `repeat`"
    assert words["holdout"] == "section or null"
    assert words["event_types"] == "list of text"
    optimiser = {field.name: in_words(field.type) for field in types.type_info(Optimiser).fields}
    assert optimiser["learning_rate"] == "number, above 0"
    assert (in_yaml(None), in_yaml([1.0, 2.0]), in_yaml("NA"), in_yaml({})) == ("null", "[1.0, 2.0]", "NA", "{}")
