"""Generators, what they draw, and the policy that chooses among them, as a YAML asks for them."""

import pytest
import yaml
from tests.config.made import WEEKS, least
from tests.conftest import shipped

from recaug import cli
from recaug.config import loads
from recaug.errors import ConfigError
from recaug.evaluate.arms import arms_of
from recaug.generators.registry import KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_alone_is_a_generator_that_draws(kind):
    alone = {"augment": {"generators": [{"kind": kind}]}, "evaluate": {"policy": None}}
    (entry,) = loads(yaml.safe_dump(least() | alone)).augment.generators
    assert entry.name == entry.kind == kind
    assert entry.continuations or entry.histories


def test_a_policy_needs_more_than_controls():
    controls = [{"kind": "repeated"}, {"kind": "popular"}]
    with pytest.raises(ConfigError, match="evaluate.policy has no generators to choose from"):
        loads(yaml.safe_dump(least() | {"augment": {"generators": controls}}))
    with_counts = loads(yaml.safe_dump(least() | {"augment": {"generators": [*controls, {"kind": "counts"}]}}))
    assert with_counts.augment.choices == [("counts",)]


def test_rows_of_generators_together_may_be_all_that_is_added():
    both = {"generators": [{"kind": "counts"}, {"kind": "rare_items"}], "alone": False}
    augment = loads(yaml.safe_dump(least() | {"augment": both | {"together": [["counts", "rare_items"]]}})).augment
    assert augment.groups == augment.choices == [("counts", "rare_items")]
    with pytest.raises(ConfigError, match="alone: false leaves no rows to add"):
        loads(yaml.safe_dump(least() | {"augment": both}))


def test_a_night_without_generators_is_refused_before_it_begins(tmp_path, capsys):
    """no_generators: it ended in evaluate, for want of a table."""
    path = tmp_path / "none.yaml"
    path.write_text(asked({"generators": []}))
    assert cli.main(["--config", str(path), "--date", "2017-02-04"]) == 2
    assert capsys.readouterr().err == f"error: {path}: augment.generators is empty; name one, such as kind: counts\n"
    curve = shipped("bench/augmentation_beauty")
    curve["augment"]["generators"] = []
    with pytest.raises(ConfigError, match=r"no augment\.generators to draw the curves of"):
        loads(yaml.safe_dump(curve))


POLICY = {"rows": ["all"], "shares": [1.0], "weights": [1.0, 2.0], "first_epochs": 2}


def asked(augment=None, draw=None, **policy):
    """The demo's configuration with a policy, with changes to augment and to what all generators draw."""
    values = yaml.safe_load(WEEKS)
    values["augment"] |= augment or {}
    for entry in values["augment"]["generators"]:
        entry["draw"] |= draw or {}
    if policy:
        values["evaluate"]["policy"] = POLICY | policy
    return yaml.safe_dump(values)


def test_a_policy_needs_what_it_chooses_from_and_the_epochs_of_a_round():
    loads(asked(epochs=10))  # nothing and 2 x 2 options
    with pytest.raises(ConfigError, match=r"policy\.epochs 9 is below the 10 of the first round"):
        loads(asked(epochs=9))
    loads(asked(epochs=18, rows=["head", "histories"]))  # nothing and 2 x 2 x 2 options
    with pytest.raises(ConfigError, match=r"no generator writes histories"):
        loads(asked(epochs=18, rows=["head", "histories"], draw={"histories": 0.0}))
    with pytest.raises(ConfigError, match=r"all stands alone"):
        loads(asked(epochs=18, rows=["head", "all"]))
    with pytest.raises(ConfigError, match="policy has no generators"):
        loads(asked(epochs=10, augment={"generators": []}))


def test_rows_of_several_generators_are_one_more_arm_with_room_for_them_all():
    augment = loads(asked({"together": [["vae", "gan"]]})).augment
    assert augment.groups == [("vae",), ("gan",), ("vae", "gan")]
    assert augment.slots(["vae", "gan"]) == augment.slots(["vae"]) + augment.slots(["gan"])
    assert [arm.name for arm in arms_of(augment)] == ["none", "vae", "gan", "vae+gan"]
    assert arms_of(augment)[3].generators == ("vae", "gan")
    assert arms_of(augment)[3].slots == augment.slots(["vae", "gan"])
    loads(asked({"together": [["vae", "gan"]]}, epochs=14))  # nothing and 3 x 2 options
    with pytest.raises(ConfigError, match=r"policy\.epochs 13 is below the 14"):
        loads(asked({"together": [["vae", "gan"]]}, epochs=13))
    for wrong in ([["vae"]], [["vae", "vae"]], [["vae", "counts"]]):
        with pytest.raises(ConfigError, match="are not two or more of the generators"):
            loads(asked({"together": wrong}))


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("counts", "histories"),
        ("rare_items", "histories"),
        ("classic", "continuations"),
        ("pseudo_prior", "continuations"),
        ("classic", "new_users"),
        ("counts", "new_users"),
        ("vae", "oversampling"),
        ("counts", "oversampling"),
    ],
)
def test_what_a_generator_cannot_do_is_no_key(kind, key):
    values = yaml.safe_load(WEEKS)
    of_vae = values["augment"]["generators"][0]
    entry = of_vae if kind == "vae" else {"kind": kind, "draw": {}}
    entry["draw"] |= {key: 1}
    values["augment"]["generators"] = [entry]
    with pytest.raises(ConfigError, match=rf"unknown field `{key}` - at `\$\.augment\.generators\[0\]\.draw`"):
        loads(yaml.safe_dump(values))


def test_ways_without_any_share_are_refused():
    values = yaml.safe_load(WEEKS)
    ways = dict.fromkeys(("crop", "mask", "reorder", "substitute", "insert"), 0.0)
    values["augment"]["generators"] = [{"kind": "classic", "ways": ways, "draw": {"histories": 1.0}}]
    with pytest.raises(ConfigError, match="all shares are 0"):
        loads(yaml.safe_dump(values))
