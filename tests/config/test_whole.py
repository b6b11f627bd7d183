"""A whole configuration: what it needs, what it refuses with its place, and its hash."""

import pytest
import yaml
from tests.config.made import WEEKS, least
from tests.conftest import shipped

from recaug.config import loads, parse_date
from recaug.config.text import parse
from recaug.errors import ConfigError


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
    given = yaml.safe_load(WEEKS)
    given["prepare"]["min_item_users"] = 0
    loads(yaml.safe_dump(given))
    del given["source"]["items"]
    with pytest.raises(ConfigError, match="set source.items"):
        loads(yaml.safe_dump(given))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  dim: 64", "  dims: 64", "`dims` - at `$.sasrec`"),
        ("  dropout: 0.5", "  dropout: 1.3", "$.sasrec.dropout"),
        ("learning_rate: 0.001", "learning_rate: fast", "learning_rate"),
        ("    min_lift: 0.0", "    min_lift: .nan", "got nan - at `$.evaluate.gate.min_lift`"),
        ("  alpha: 0.75", "  alpha: .inf", "got inf - at `$.negatives.alpha`"),
        ("seed: 2017", "seed: -1", "Expected `int` >= 0 - at `$.seed`"),
        ("seed: 2017", "seed: 2147483648", "Expected `int` <= 2147483647 - at `$.seed`"),
        ("  path: build/weeks/lake", "  path: build/#1/lake", "path build/#1/lake has a #, at which"),
        ("  path: build/weeks/lake", "  path: build/what?/lake", "path build/what?/lake has a ?, at which"),
        ("      user_id: household_id", "      user_id: 7", "$.source.events.columns[...]`; put it in quotes"),
        ("  heads: 1", "  heads: 3", "no multiple"),
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
    assert old in WEEKS
    with pytest.raises(ConfigError) as error:
        loads(WEEKS.replace(old, new, 1), "weeks.yaml")
    assert said in str(error.value)
    assert str(error.value).startswith("weeks.yaml: ")


def test_a_key_that_stands_twice_is_refused_with_both_lines():
    """yaml_key_twice: YAML's reader would take the last."""
    lines = WEEKS.splitlines()
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


def test_the_hash_knows_what_decides_the_rows_and_nothing_else():
    base = loads(WEEKS).hash
    elsewhere = WEEKS.replace("build/weeks", "/elsewhere").replace("shuffle_partitions: null", "shuffle_partitions: 8")
    assert loads(elsewhere.replace("launcher: null", "launcher: local")).hash == base
    assert loads(WEEKS.replace("seed: 2017", "seed: 2018")).hash != base
    assert loads(WEEKS.replace("temperature: 1.0", "temperature: 0.9")).hash != base


def test_an_unfilled_template_is_no_date():
    with pytest.raises(ConfigError, match="--date is '{{job.start_time}}'"):
        parse_date("{{job.start_time}}", "--date")


def test_settings_that_a_benchmark_tries_are_checked_as_the_section_is():
    values = shipped("bench/ingredients_beauty")
    values["benchmark"]["sasrec"]["each prefix a row"]["prefix_events"] = 50
    with pytest.raises(ConfigError, match=r"benchmark\.sasrec\.each prefix a row\.prefix_events 50 is more than"):
        loads(yaml.safe_dump(values))


def test_the_benchmarks_network_has_settings_of_its_own():
    values = shipped("bench/beauty")
    del values["benchmark"]["vae"]
    with pytest.raises(ConfigError, match=r"benchmark\.models has vae without benchmark\.vae"):
        loads(yaml.safe_dump(values))
