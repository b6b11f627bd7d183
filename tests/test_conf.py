import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from tests.conftest import shipped

from recaug import cli
from recaug.config import convert, load, loads, parse_date
from recaug.config.text import parse
from recaug.errors import ConfigError
from recaug.evaluate.arms import arms_of
from recaug.generators.registry import KINDS

CONF = Path(__file__).parents[1] / "conf"
SHIPPED = sorted(
    [path for folder in (".", "bench", "catalogue", "images", "search") for path in CONF.glob(f"{folder}/*.yaml")]
)
DEMO = yaml.safe_dump(shipped("weeks"), sort_keys=False)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_configuration_loads(path):
    assert load(path).seed is not None


def given_keys(values: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any], str]]:
    """Each key of a YAML that has a default: its place, and the mapping that it stands in."""
    if isinstance(values, list):
        for number, value in enumerate(values):
            yield from given_keys(value, f"{path}[{number}]")
    elif isinstance(values, dict):
        for key in {*values} - ({"kind"} if path else {"artifacts"}):
            yield f"{path}.{key}", values, key
            yield from given_keys(values[key], f"{path}.{key}")


def said_for_nothing(values: dict[str, Any]) -> list[str]:
    """The keys of a YAML without which it would mean the same."""
    whole, same = convert(values), []
    for path, mapping, key in [*given_keys(values)]:
        value = mapping.pop(key)
        with contextlib.suppress(ValueError):  # what cannot be left out is said for something
            same += [path] if convert(values) == whole else []
        mapping[key] = value
    return same


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_a_shipped_file_says_only_what_differs_from_the_defaults(path):
    assert said_for_nothing(parse(path.read_text())) == []


def test_what_is_said_for_nothing_is_noticed():
    values = parse((CONF / "weeks.yaml").read_text())
    values |= {"recommend": {"k": 20, "diversity": 0.1}, "tracking": {}}
    values["augment"]["generators"][1] |= {"optimiser": {"epochs": 4, "batch_rows": 64}, "z_dim": 65}
    noticed = [".augment.generators[1].optimiser.epochs", ".recommend.k", ".tracking"]
    assert sorted(said_for_nothing(values)) == noticed


def without_a_key(section: Any, values: Any, path: str = "") -> list[str]:
    """The keys of a section, and of those within it, that nested values do not name."""
    if isinstance(section, list):
        return [key for part, value in zip(section, values, strict=True) for key in without_a_key(part, value, path)]
    if not isinstance(section, msgspec.Struct):
        return []
    missing = []
    for field in msgspec.structs.fields(section):
        place = f"{path}.{field.encode_name}"
        if field.encode_name in values:
            missing += without_a_key(getattr(section, field.name), values[field.encode_name], place)
        else:
            missing.append(place)
    return missing


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_the_resolved_configuration_names_every_key_and_means_the_same(path):
    config = load(path)
    values = msgspec.to_builtins(config)
    assert without_a_key(config, values) == []
    resolved = loads(yaml.safe_dump(values))
    assert resolved == config
    assert resolved.hash == config.hash
    del values["augment"]["generators"][0]["draw"]["min_fidelity"], values["seed"]
    assert without_a_key(config, values) == [".seed", ".augment.generators.draw.min_fidelity"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  test_share: 0.2", "  test_share: 0.95", "validation_share and test_share leave nothing to learn from"),
        ("    numeric: {}", "    numeric: {brand: price}", "two attributes are called brand"),
        ("  text:\n  - title", "  text:\n  - titel", "$.attributes.text[0]"),
    ],
)
def test_a_catalogue_that_cannot_be_completed_names_its_place(old, new, said):
    text = yaml.safe_dump(shipped("catalogue/complete_journey"), sort_keys=False)
    assert old in text
    with pytest.raises(ConfigError) as error:
        loads(text.replace(old, new, 1))
    assert said in str(error.value)


def test_new_items_need_a_catalogue_to_be_known_by():
    given = yaml.safe_load(DEMO)
    given["prepare"]["min_item_users"] = 0
    loads(yaml.safe_dump(given))
    del given["source"]["items"]
    with pytest.raises(ConfigError, match="set source.items"):
        loads(yaml.safe_dump(given))


def test_the_demo_is_among_them():
    assert {"demo.yaml", "weeks.yaml", "online_retail.yaml", "rees46.yaml"} <= {path.name for path in SHIPPED}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  dim: 64", "  dims: 64", "`dims` - at `$.sasrec`"),
        ("  dropout: 0.4", "  dropout: 1.3", "$.sasrec.dropout"),
        ("learning_rate: 0.001", "learning_rate: fast", "learning_rate"),
        ("    min_lift: 0.0", "    min_lift: .nan", "got nan - at `$.evaluate.gate.min_lift`"),
        ("  alpha: 0.75", "  alpha: .inf", "got inf - at `$.negatives.alpha`"),
        ("seed: 2017", "seed: -1", "Expected `int` >= 0 - at `$.seed`"),
        ("seed: 2017", "seed: 2147483648", "Expected `int` <= 2147483647 - at `$.seed`"),
        ("  path: build/weeks/lake", "  path: build/#1/lake", "path build/#1/lake has a #, at which"),
        ("  path: build/weeks/lake", "  path: build/what?/lake", "path build/what?/lake has a ?, at which"),
        ("      user_id: household_id", "      user_id: 7", "$.source.events.columns[...]`; put it in quotes"),
        ("  heads: 2", "  heads: 3", "no multiple"),
        ("  layers: sasrec", "  layers: bsarec", "bsarec sees a whole row: set sasrec.prefix_events"),
        (
            "  prefix_events: 0",
            "  prefix_events: 50",
            "sasrec.prefix_events 50 is more than prepare.max_length 50 leaves beside a target: set it to 49 or less",
        ),
        ("task: discovery", "task: explore", "$.prepare.task"),
        ("  catalog: null", "  catalog: main.recaug", "one of lake.path and lake.catalog"),
        ("      item_id: product_id\n      event", "      event", "lacks item_id"),
        ("seed: 2017", "seed: [2017", "not YAML"),
        (
            "  event_types:\n  - purchase\n",
            "  event_types:\n  - purchased\n",
            "prepare.event_types: purchased is none of purchase, which source.events gives",
        ),
        (
            "    informed: true\n    attributes: false\n",
            "    informed: false\n    attributes: true\n",
            "attributes is true without informed",
        ),
    ],
)
def test_a_wrong_key_is_an_error_that_names_its_place(old, new, said):
    """Among them event_type_unknown_to_source, lake_path_with_hash, number_not_finite and seed_out_of_range."""
    assert old in DEMO
    with pytest.raises(ConfigError) as error:
        loads(DEMO.replace(old, new, 1), "weeks.yaml")
    assert said in str(error.value)
    assert str(error.value).startswith("weeks.yaml: ")


def test_a_key_that_stands_twice_is_refused_with_both_lines():
    """yaml_key_twice: YAML's reader would take the last."""
    lines = DEMO.splitlines()
    line = next(number for number, text in enumerate(lines) if text.strip().startswith("user_id:"))
    lines.insert(line + 2, lines[line])
    with pytest.raises(ConfigError) as error:
        loads("\n".join(lines), "weeks.yaml")
    said = f"line {line + 3}: the key user_id stands twice, first in line {line + 1}; remove one"
    assert str(error.value) == f"weeks.yaml: {said}"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1e-3", 0.001),  # text to YAML 1.1, which wants 1.0e-3
        ("2.5E2", 250.0),
        (".5", 0.5),
        ("010", 10),  # 8 to YAML 1.1
        ("1_000", 1000),
        ("-3", -3),
        ("0x1F", 31),
        ("12:30", "12:30"),  # 750 to YAML 1.1
        ("1.2.3", "1.2.3"),
        ("'7'", "7"),
    ],
)
def test_a_number_is_what_a_reader_takes_it_for(written, read):
    """yaml_number_without_point."""
    assert parse(f"a: {written}") == {"a": read}
    assert type(parse(f"a: {written}")["a"]) is type(read)


def least() -> dict[str, Any]:
    """What every configuration says, of a shop."""
    demo = shipped("weeks")
    return {key: demo[key] for key in ("artifacts", "lake", "source")}


@pytest.mark.parametrize("types", [{"purchase": "purchase"}, {"view": "view", "buy": "purchase"}, {}])
def test_the_places_and_the_source_are_a_whole_configuration(types):
    values = least()
    values["source"]["events"]["event_types"] = types
    config = loads(yaml.safe_dump(values, sort_keys=False))
    assert config.augment.names == ["vae", "counts"]
    assert config.evaluate.policy is not None
    assert (config.training.launcher, config.training.workers) == (None, 2)
    assert config.generated_type == next(iter(types.values()), "event")
    assert (config.benchmark, config.learning_curve, config.attributes, config.images) == (None,) * 4
    for key in least():
        with pytest.raises(ConfigError, match=f"missing required field `{key}`"):
            loads(yaml.safe_dump({other: value for other, value in values.items() if other != key}))


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


def test_a_study_needs_its_date_alone():
    source = {"path": "pictures.npz", "format": "npz", "image_id": "position", "image": "image", "label": "label"}
    studies = {
        "benchmark": {"date": "2017-02-04"},
        "learning_curve": {"date": "2017-02-04"},
        "attributes": {},
        "images": {"source": source},
    }
    config = loads(yaml.safe_dump(least() | studies))
    assert "vae" not in config.benchmark.models
    assert config.learning_curve.shares[-1] == 1
    assert config.attributes.optimiser.clip_norm == 20
    assert config.images.vae.optimiser.clip_norm == 1000


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


def test_the_hash_knows_what_decides_the_rows_and_nothing_else():
    base = loads(DEMO).hash
    elsewhere = DEMO.replace("build/weeks", "/elsewhere").replace("shuffle_partitions: null", "shuffle_partitions: 8")
    assert loads(elsewhere.replace("launcher: null", "launcher: local")).hash == base
    assert loads(DEMO.replace("seed: 2017", "seed: 2018")).hash != base
    assert loads(DEMO.replace("temperature: 1.0", "temperature: 0.9")).hash != base


def test_an_unfilled_template_is_no_date():
    with pytest.raises(ConfigError, match="--date is '{{job.start_time}}'"):
        parse_date("{{job.start_time}}", "--date")


POLICY = {"rows": ["all"], "shares": [1.0], "weights": [1.0, 2.0], "first_epochs": 2}


def asked(augment=None, draw=None, **policy):
    """The demo's configuration with a policy, with changes to augment and to what all generators draw."""
    values = yaml.safe_load(DEMO)
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
    values = yaml.safe_load(DEMO)
    of_vae = values["augment"]["generators"][0]
    entry = of_vae if kind == "vae" else {"kind": kind, "draw": {}}
    entry["draw"] |= {key: 1}
    values["augment"]["generators"] = [entry]
    with pytest.raises(ConfigError, match=rf"unknown field `{key}` - at `\$\.augment\.generators\[0\]\.draw`"):
        loads(yaml.safe_dump(values))


def test_ways_without_any_share_are_refused():
    values = yaml.safe_load(DEMO)
    ways = dict.fromkeys(("crop", "mask", "reorder", "substitute", "insert"), 0.0)
    values["augment"]["generators"] = [{"kind": "classic", "ways": ways, "draw": {"histories": 1.0}}]
    with pytest.raises(ConfigError, match="all shares are 0"):
        loads(yaml.safe_dump(values))


def test_the_benchmarks_network_has_settings_of_its_own():
    values = shipped("bench/beauty")
    del values["benchmark"]["vae"]
    with pytest.raises(ConfigError, match=r"benchmark\.models has vae without benchmark\.vae"):
        loads(yaml.safe_dump(values))
