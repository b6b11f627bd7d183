"""The catalogue holds the last known value of each attribute; what is missing stays missing."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from pyspark.sql import SparkSession
from tests.clickstream.test_sounds import tone, wav

from recaug.clickstream.items import catalogue, named_by_events
from recaug.clickstream.layouts import png
from recaug.clickstream.positions import number_rows
from recaug.clickstream.sounds import RATE, log_mel
from recaug.clickstream.source import read_source
from recaug.config import Items
from recaug.errors import ContractError


def items(path: Path, **more: object) -> Items:
    base = {
        "path": str(path),
        "format": "csv",
        "options": {"header": "true"},
        "item_id": "sku",
        "title": "name",
        "categorical": {"brand": "brand", "kind of thing": "kind"},
        "numeric": {"price": "price"},
        "text": "note",
    }
    return msgspec.convert(base | more, Items)


def test_the_last_known_value_counts(spark: SparkSession, tmp_path: Path) -> None:
    head = "sku,name,brand,kind,price,note\n"
    (tmp_path / "a.csv").write_text(head + "1,old,acme,x,1.5,\n1,new,,x,,\n2,other, ,,free,text\n")
    (tmp_path / "b.csv").write_text(head + "1,,bolt,,2.5,\n,nameless,,,,\n")
    given = items(tmp_path)
    found = {
        row["item_id"]: row
        for row in catalogue(number_rows(read_source(spark, given, "source.items")), given).collect()
    }
    assert set(found) == {"1", "2"}
    assert found["1"]["title"] == "new"
    assert found["1"]["categorical"] == {"brand": "bolt", "kind of thing": "x"}
    assert found["1"]["numeric"] == {"price": 2.5}
    assert found["1"]["text"] is None
    assert (found["2"]["categorical"], found["2"]["numeric"], found["2"]["text"]) == ({}, {}, "text")


def test_a_missing_column_is_named(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("sku,name\n1,x\n")
    given = items(tmp_path, categorical={"brand": "maker"}, numeric={}, text=None)
    with pytest.raises(ContractError, match="source.items.categorical.brand: the source has no column `maker`; it has"):
        catalogue(number_rows(read_source(spark, given, "source.items")), given)


def test_without_a_catalogue_the_events_name_the_items(spark: SparkSession) -> None:
    rows = named_by_events(spark.createDataFrame([("a",), ("b",), ("a",)], "item_id string")).collect()
    assert sorted(row["item_id"] for row in rows) == ["a", "b"]
    assert rows[0]["categorical"] == {}


def test_arrays_and_package_sizes_are_read_by_expressions(spark: SparkSession, tmp_path: Path) -> None:
    rows = "sku,name,tags,size,look\n1,a,new| sale|new,22 LB,0.5 1\n2,b,||,12 OZ,\n3,c,sale,,nan 1\n"
    (tmp_path / "a.csv").write_text(rows)
    ounces = "CAST(regexp_extract(size, '([0-9.]+)', 1) AS double) * IF(size RLIKE 'LB', 16, 1)"
    given = items(
        tmp_path,
        categorical={},
        multi_valued={"tags": r"split(tags, '[|]')"},
        numeric={"ounces": ounces},
        vectors={"look": "CAST(split(look, ' ') AS array<float>)"},
        text=None,
    )
    made = catalogue(number_rows(read_source(spark, given, "source.items")), given)
    found = {row["item_id"]: row for row in made.collect()}
    assert found["1"]["multi_valued"] == {"tags": ["new", "sale"]}
    assert found["1"]["vectors"] == {"look": [0.5, 1.0]}
    assert [found[item]["numeric"] for item in "123"] == [{"ounces": 352}, {"ounces": 12}, {}]
    assert found["2"]["multi_valued"] == found["2"]["vectors"] == found["3"]["vectors"] == {}
    assert found["3"]["multi_valued"] == {"tags": ["sale"]}


def test_pictures_and_sounds_become_vectors_and_what_is_none_is_missing(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(png(np.full((30, 30, 3), (255, 0, 0), np.uint8)))
    (tmp_path / "tone.wav").write_bytes(wav(tone(1000), RATE))
    rows = f"sku,photo,clip\n1,{tmp_path}/red.png,{tmp_path}/tone.wav\n2,{tmp_path}/tone.wav,{tmp_path}/red.png\n3,,\n"
    (tmp_path / "a.csv").write_text(rows)
    given = items(
        tmp_path / "a.csv",
        title="sku",
        categorical={},
        numeric={},
        text=None,
        pictures={"look": "photo"},
        picture_size=28,
        sounds={"sound": "clip"},
    )
    made = catalogue(number_rows(read_source(spark, given, "source.items")), given)
    found = {row["item_id"]: row["vectors"] for row in made.collect()}
    assert found["2"] == found["3"] == {}
    assert found["1"]["look"] == [1.0] * 784 + [-1.0] * 1568  # red, green, blue
    np.testing.assert_allclose(found["1"]["sound"], log_mel(tone(1000), RATE), atol=1e-3)
