from pathlib import Path

import pytest
import yaml

from recaug.config import load, loads, parse_date
from recaug.errors import ConfigError
from recaug.evaluate.arms import Writes, arms_of

CONF = Path(__file__).parents[1] / "conf"
SHIPPED = sorted(
    [*CONF.glob("*.yaml"), *CONF.glob("bench/*.yaml"), *CONF.glob("catalogue/*.yaml"), *CONF.glob("images/*.yaml")]
)
DEMO = (CONF / "demo.yaml").read_text()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_every_shipped_configuration_loads(path):
    assert load(path).seed is not None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  test_share: 0.2", "  test_share: 0.95", "validation_share and test_share leave nothing to learn from"),
        ("    numeric: {}", "    numeric: {brand: price}", "two attributes are called brand"),
        ("  text: [title]", "  text: [titel]", "$.attributes.text[0]"),
    ],
)
def test_a_catalogue_that_cannot_be_completed_names_its_place(old, new, said):
    text = (CONF / "catalogue" / "complete_journey.yaml").read_text()
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
    assert {"demo.yaml", "online_retail.yaml", "rees46.yaml"} <= {path.name for path in SHIPPED}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  dim: 64", "  dims: 64", "`dims` - at `$.sasrec`"),
        ("  dropout: 0.3", "  dropout: 1.3", "$.sasrec.dropout"),
        ("learning_rate: 0.001", "learning_rate: 1e-3", "learning_rate"),
        ("  heads: 2", "  heads: 3", "no multiple"),
        ("task: discovery", "task: explore", "$.prepare.task"),
        ("  catalog: null", "  catalog: main.recaug", "one of lake.path and lake.catalog"),
        ("      item_id: product_id\n      event", "      event", "lacks item_id"),
        ("seed: 2017", "seed: [2017", "not YAML"),
        ("  informed: true #", "  attributes: true\n  informed: false #", "attributes is true without informed"),
    ],
)
def test_a_wrong_key_is_an_error_that_names_its_place(old, new, said):
    assert old in DEMO
    with pytest.raises(ConfigError) as error:
        loads(DEMO.replace(old, new, 1), "demo.yaml")
    assert said in str(error.value)
    assert str(error.value).startswith("demo.yaml: ")


def test_the_hash_knows_what_decides_the_rows_and_nothing_else():
    base = loads(DEMO).hash
    elsewhere = DEMO.replace("build/demo", "/elsewhere").replace("shuffle_partitions: 2", "shuffle_partitions: 8")
    assert loads(elsewhere.replace("launcher: horovod", "launcher: local")).hash == base
    assert loads(DEMO.replace("seed: 2017", "seed: 2018")).hash != base
    assert loads(DEMO.replace("temperature: 1.0", "temperature: 0.9")).hash != base


def test_an_unfilled_template_is_no_date():
    with pytest.raises(ConfigError, match="--date is '{{job.start_time}}'"):
        parse_date("{{job.start_time}}", "--date")


def test_a_policy_needs_what_it_chooses_from_and_the_epochs_of_a_round():
    asked = "evaluate:\n  policy: {rows: [all], shares: [1.0], weights: [1.0, 2.0], first_epochs: 2, epochs: %d}\n"
    assert loads(DEMO.replace("evaluate:\n", asked % 10)).evaluate.policy.epochs == 10  # nothing and 2 x 2 options
    with pytest.raises(ConfigError, match=r"policy\.epochs 9 is below the 10 of the first round"):
        loads(DEMO.replace("evaluate:\n", asked % 9))
    apart = (asked % 18).replace("[all]", "[head, histories]")
    assert loads(DEMO.replace("evaluate:\n", apart)).evaluate.policy.epochs == 18  # nothing and 2 x 2 x 2 options
    with pytest.raises(ConfigError, match=r"policy\.epochs 17 is below the 18 of the first round"):
        loads(DEMO.replace("evaluate:\n", apart.replace("18", "17")))
    with pytest.raises(ConfigError, match=r"no generator writes histories"):
        loads(DEMO.replace("evaluate:\n", apart).replace("  histories: 0.1", "  histories: 0.0"))
    with pytest.raises(ConfigError, match=r"all stands alone"):
        loads(DEMO.replace("evaluate:\n", apart.replace("histories]", "all]")))
    with pytest.raises(ConfigError, match="policy has no generators"):
        loads(DEMO.replace("evaluate:\n", asked % 10).replace("generators: [vae, gan]", "generators: []"))


def test_rows_of_several_generators_are_one_more_arm_with_room_for_them_all():
    joined = "augment:\n  together: [[vae, gan]]\n"
    augment = loads(DEMO.replace("augment:\n", joined)).augment
    writes = {name: Writes(augment.of(name).continuations, augment.of(name).histories) for name in augment.generators}
    arms = {arm.name: arm for arm in arms_of(writes, augment.together)}
    assert list(arms) == ["none", "vae", "gan", "vae+gan"]
    assert arms["vae+gan"].slots == arms["vae"].slots + arms["gan"].slots
    asked = "evaluate:\n  policy: {rows: [all], shares: [1.0], weights: [1.0, 2.0], first_epochs: 2, epochs: %d}\n"
    both = DEMO.replace("augment:\n", joined)
    loads(both.replace("evaluate:\n", asked % 14))  # nothing and 3 x 2 options
    with pytest.raises(ConfigError, match=r"policy\.epochs 13 is below the 14"):
        loads(both.replace("evaluate:\n", asked % 13))
    for wrong in ("[[vae]]", "[[vae, vae]]", "[[vae, counts]]"):
        with pytest.raises(ConfigError, match="are not two or more of the generators"):
            loads(DEMO.replace("augment:\n", joined.replace("[[vae, gan]]", wrong)))


def test_a_generator_samples_as_all_do_but_for_what_it_has_of_its_own():
    text = DEMO.replace("augment:\n", "augment:\n  own: {counts: {continuations: 8, histories: 0, weight: 0.3}}\n")
    augment = loads(text).augment
    counts, vae = augment.of("counts"), augment.of("vae")
    assert (counts.continuations, counts.weight, counts.temperature) == (8, 0.3, augment.temperature)
    assert (vae.continuations, vae.weight) == (augment.continuations, augment.weight)
    with pytest.raises(ConfigError, match=r"own.counts.histories must be 0"):
        loads(DEMO.replace("generators: [vae, gan]", "generators: [vae, counts]"))
    with pytest.raises(ConfigError, match=r"own.classic.continuations must be 0"):
        loads(DEMO.replace("generators: [vae, gan]", "generators: [vae, classic]"))
    own = "augment:\n  own: {classic: {continuations: 0, new_users: 0.5}}\n"
    with pytest.raises(ConfigError, match=r"own.classic.new_users must be 0"):
        loads(DEMO.replace("generators: [vae, gan]", "generators: [vae, classic]").replace("augment:\n", own))
