"""Where the values of a configuration come from, and --set."""

import msgspec
import pytest
import yaml
from tests.conftest import shipped

from recaug import cli
from recaug.config import load, loads
from recaug.config.origins import in_yaml, overlay, places, resolved
from recaug.config.text import parse
from recaug.errors import ConfigError


def test_a_value_has_a_place_and_a_list_of_plain_values_is_one():
    values = {"a": {"b": 1, "c": {}}, "d": [{"kind": "e", "f": {"g": 2}}, {"kind": "h"}], "i": [1, 2], "j": None}
    assert [*places(values)] == ["a.b", "a.c", "d[0].kind", "d[0].f.g", "d[1].kind", "i", "j"]


def test_settings_change_values_and_are_their_origin():
    values = {"a": {"b": 1, "c": 2}, "policy": None, "d": [{"f": {"g": 2}}]}
    origins = overlay(values, ["a.b=3", "policy.epochs=30", "d[0].f.g=1e-3", "new.key=[x, 'y']", "a.b=4"])
    assert values == {
        "a": {"b": 4, "c": 2},
        "policy": {"epochs": 30},
        "d": [{"f": {"g": 0.001}}],
        "new": {"key": ["x", "y"]},
    }
    assert origins == {"a.c": "given", "policy": "given"} | dict.fromkeys(
        ("a.b", "policy.epochs", "d[0].f.g", "new.key"), "--set"
    )
    section = overlay({"a": {"b": 1, "bc": 2}}, ["a.b={d: 1, e: {}}"])
    assert section == {"a.bc": "given", "a.b.d": "--set", "a.b.e": "--set"}


@pytest.mark.parametrize(
    "value",
    [
        *("1e-3", "010", "a\nb", "x # y", "null", "12:30", "'purchase'", "", "\\N", "key: value", "- x", "ü 😀"),
        *(None, True, 3, 1e-05, 1e300, 2.0, ["NA", "null", 1.5], {"a b": ["c"]}, {}, []),
    ],
)
def test_a_value_on_a_line_is_read_as_it_was(value):
    assert "\n" not in in_yaml(value)
    assert parse(f"a: {in_yaml(value)} # given") == {"a": value}


def test_the_resolved_configuration_says_where_each_value_comes_from_and_means_the_same():
    config = load("conf/weeks.yaml", ["sasrec.dim=32", "augment.generators[1].draw.weight=.5"])
    lines = config.written().splitlines()
    for line in (
        "seed: 2017 # given",
        "  path: build/weeks/lake # given",
        "  catalog: null # default",
        "      purchase: purchase # given",
        "  dim: 32 # --set",
        "  heads: 1 # default",
        "    - kind: vae # given",
        "      hidden: 200 # default",
        "        weight: 0.3 # given",
        "        weight: 0.5 # --set",
        "  policy: null # given",
        "benchmark: null # default",
    ):
        assert line in lines, line
    again = loads(config.written())
    assert again == config
    assert again.hash == config.hash
    assert sum(line.endswith(" # --set") for line in lines) == 2
    bare = [line for line in lines[1:] if not line.endswith(("# given", "# default", "# --set"))]
    assert all(line.endswith(":") for line in bare)


@pytest.mark.parametrize("name", ["weeks", "bench/cold_start_beauty", "images/clothing", "online_retail"])
def test_what_a_program_made_is_written_without_origins(name):
    config = msgspec.structs.replace(load(f"conf/{name}.yaml"), seed=5)
    assert config.origins is None
    assert "# given" not in config.written()
    assert loads(config.written()) == config
    nested = {"a": [{"b": 1}, {"b": {"c": 2}}]}
    assert yaml.safe_load(resolved(nested, None)) == nested


def test_what_is_set_counts_as_if_the_yaml_said_it():
    told = shipped("weeks")
    told["sasrec"]["dim"], told["evaluate"]["policy"] = 32, {"epochs": 90}
    settings = ["sasrec.dim=32", "evaluate.policy.epochs=90", "artifacts=/elsewhere", "lake.path=/elsewhere"]
    config = load("conf/weeks.yaml", settings)
    assert config.hash == loads(yaml.safe_dump(told)).hash
    assert (config.artifacts, config.lake.path) == ("/elsewhere", "/elsewhere")
    assert load("conf/weeks.yaml").hash != config.hash


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("sasrec.dims=32", "Object contains unknown field `dims` - at `$.sasrec`"),
        ("sasrecs.dim=32", "Object contains unknown field `sasrecs`"),
        ("sasrec.dim=wide", "Expected `int`, got `str` - at `$.sasrec.dim`"),
        ("augment.generators[1].loss=none", "- at `$.augment.generators[1].loss`"),
        (
            "augment.generators[2].hidden=9",
            "generators[2].hidden: 2 is none of the 2 entries that the YAML gives, from 0",
        ),
        ("augment.generators.vae.hidden=9", "augment.generators.vae.hidden: vae is none of the 2 entries"),
        ("seed.of=3", "seed is 2017 and no section, so there is no seed.of"),
        ("sasrec.dim", "sasrec.dim is no setting; write it as key=value"),
        ("=3", "=3 is no setting"),
        (".=3", ".=3 is no setting"),
        ("sasrec.dim=[3", "not YAML"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(setting, said):
    with pytest.raises(ConfigError) as error:
        load("conf/weeks.yaml", [setting])
    assert said in str(error.value)
    assert str(error.value).startswith(f"conf/weeks.yaml --set {setting}: ")


JOBS = {
    "night": (cli.main, ["--date", "2017-02-04"]),
    "benchmark": (cli.benchmark, []),
    "erase": (cli.forget, ["--users", "nobody.txt"]),
    "catalogue": (cli.complete, ["--date", "2017-02-04"]),
}


@pytest.mark.parametrize("job", JOBS)
def test_every_job_takes_settings_and_refuses_an_unknown_key_with_2(job, capsys):
    run, words = JOBS[job]
    code = run(["--config", "conf/weeks.yaml", *words, "--set", "seed=1", "--set", "evaluate.gate.min_lifts=0.1"])
    assert code == 2
    said = "Object contains unknown field `min_lifts` - at `$.evaluate.gate`"
    assert capsys.readouterr().err == f"error: conf/weeks.yaml --set seed=1 --set evaluate.gate.min_lifts=0.1: {said}\n"


def test_a_job_runs_with_what_is_set(capsys):
    seen = []

    def begin(config, given):
        seen.append(config)
        raise ConfigError("that is enough")

    command = cli.Command("A command.", [], begin)
    assert command(["--config", "conf/weeks.yaml", "--set", "sasrec.dim=32", "--set", "training.launcher=local"]) == 2
    (config,) = seen
    assert (config.sasrec.dim, config.training.launcher) == (32, "local")
    assert capsys.readouterr().err == "error: that is enough\n"
