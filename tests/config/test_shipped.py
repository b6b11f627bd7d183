"""The shipped files: each is read, says only what differs from the defaults, and resolves to itself."""

import contextlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml
from tests.config.made import CONF

from recaug.config import convert, load, loads
from recaug.config.text import parse

SHIPPED = sorted(
    [path for folder in (".", "bench", "catalogue", "images", "search") for path in CONF.glob(f"{folder}/*.yaml")]
)


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


def test_the_demo_is_among_them():
    assert {"demo.yaml", "weeks.yaml", "online_retail.yaml", "rees46.yaml"} <= {path.name for path in SHIPPED}
