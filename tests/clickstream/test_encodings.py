"""Text that is not UTF-8 is told by its bytes, and read by options.encoding; what is read as another is refused."""

import codecs
import json
import random
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.clickstream.logs import bad, good, log, put

from recaug.clickstream.encodings import tell
from recaug.clickstream.source import read_source
from recaug.errors import ContractError

WORDS = {
    ("windows-1252", "cp1252"): "Müller Größe Stühle Küche grün Schlüssel Äpfel weiß Straße Bär schön Käse",
    ("windows-1250", "cp1250"): "książka żółty źrebię łóżko ręcznik świeca dziękuję gęślą jaźń kołdra",
    ("windows-1251", "cp1251"): "стол стул лампа кружка книга красный синий большой зелёный ковёр",
    ("KOI8-R", "koi8_r"): "стол стул лампа кружка книга красный синий большой зелёный ковёр",
    ("windows-1253", "cp1253"): "τραπέζι καρέκλα λάμπα βιβλίο κόκκινο μεγάλο πράσινο",
    ("windows-1255", "cp1255"): "שולחן כיסא מנורה ספר אדום גדול ירוק",
    ("windows-31j", "cp932"): "机 椅子 ランプ 本 赤い 大きい 緑 テーブル 青い花瓶",
    ("GB18030", "gb18030"): "桌子 椅子 台灯 书 红色 大号 绿色 蓝色花瓶 毛巾",
    ("x-windows-949", "cp949"): "책상 의자 램프 빨간색 초록색 파란 꽃병",
    ("x-windows-874", "cp874"): "โต๊ะ เก้าอี้ โคมไฟ หนังสือ สีแดง ใหญ่ สีเขียว",
}
CSV = "who,what,at\r\nbör,i1,2025-01-01\r\nvör,i2,2025-01-02\r\n"
EXPECTED = [("bör", "i1", 1), ("vör", "i2", 2)]
LINES = "".join(f'{{"who": "{who}", "what": "{what}", "at": "2025-01-0{day}"}}\r\n' for who, what, day in EXPECTED)


@pytest.mark.parametrize(("java", "python"), WORDS)
def test_an_encoding_is_told_by_its_words(java: str, python: str) -> None:
    draw = random.Random(7)
    words = WORDS[java, python].split()
    rows = (f"{n},{draw.choice(words)} {draw.choice(words)},2025-06-01 10:{n % 60}\n" for n in range(200))
    assert tell("".join(rows).encode(python)).likely[0] == java


@pytest.mark.parametrize(
    ("head", "likely"),
    [
        pytest.param(b"", "UTF-8", id="empty"),
        pytest.param(b"who,what\nada,mate\n", "UTF-8", id="ASCII"),
        pytest.param("bör,vör\n".encode()[:-3], "UTF-8", id="a letter cut off"),
        pytest.param(codecs.BOM_UTF8 + b"who\n", "UTF-8", id="a mark"),
        pytest.param(b"ada,mate,1\n" * 2000 + b"b\xf6r\n", "UTF-8", id="a stray byte among many letters"),
        pytest.param("bör\n".encode() * 3 + b"b\xf6r\n", "UTF-8", id="a stray byte among UTF-8"),
        pytest.param("who,本\n".encode("utf-16"), "UTF-16", id="UTF-16 with a mark"),
        pytest.param("who,本\n".encode("utf-16-le"), "UTF-16LE", id="UTF-16, little end first"),
        pytest.param("who,本\n".encode("utf-16-be"), "UTF-16BE", id="UTF-16, big end first"),
        pytest.param("who,本\n".encode("utf-32"), "UTF-32", id="UTF-32 with a mark"),
        pytest.param("who,本\n".encode("utf-32-be"), "UTF-32BE", id="UTF-32, big end first"),
        pytest.param(b"ada,mate,1\nb\xf6r,chai,2\n", "windows-1252", id="a byte among few"),
    ],
)
def test_utf_is_told_by_its_bytes(head: bytes, likely: str) -> None:
    assert tell(head).likely[0] == likely


def test_text_that_is_no_utf_8_is_refused_with_what_to_set(spark: SparkSession, tmp_path: Path) -> None:
    """wrong_encoding: two guests were one user, whose name held U+FFFD."""
    events = log(path=put(tmp_path / "log.csv", CSV.encode("cp1252")), format="csv", options={"header": "true"})
    with pytest.raises(ContractError) as error:
        read_source(spark, events, "source.events")
    said = str(error.value)
    assert said.startswith(f"source.events.path: {tmp_path.name}/log.csv is probably windows-1252, or else ")
    assert said.endswith(", not UTF-8; set source.events.options: {encoding: windows-1252}")


def test_a_stray_byte_costs_the_rows_whose_ids_have_it(spark: SparkSession, tmp_path: Path) -> None:
    text = CSV.encode() + b"w\xf6r,i3,2025-01-03\n"
    events = log(path=put(tmp_path / "log.csv", text), format="csv", options={"header": "true"})
    assert good(spark, events) == EXPECTED
    ((why, raw),) = bad(spark, events)
    assert why == "unreadable character in an id"
    assert json.loads(raw)["who"] == "w\ufffdr"


@pytest.mark.parametrize(
    ("encoding", "bytes_"),
    [
        ("windows-1252", CSV.encode("cp1252")),
        ("UTF-16", CSV.encode("utf-16")),
        ("UTF-16LE", codecs.BOM_UTF16_LE + CSV.encode("utf-16-le")),
        ("utf-16be", CSV.encode("utf-16-be")),
        ("GB18030", CSV.encode("gb18030")),
        ("UTF-8", CSV.encode("utf-8-sig")),
    ],
)
def test_a_csv_is_read_by_its_encoding(spark: SparkSession, tmp_path: Path, encoding: str, bytes_: bytes) -> None:
    options = {"header": "true", "Encoding": encoding}
    put(tmp_path / "log" / "b.csv", "".encode(encoding))
    events = log(path=put(tmp_path / "log" / "a.csv", bytes_), format="csv", options=options)
    assert good(spark, events) == EXPECTED


def test_headers_are_told_apart_in_their_encoding(spark: SparkSession, tmp_path: Path) -> None:
    put(tmp_path / "log" / "a.csv", "wär,what,at\r\nbör,i1,2025-01-01\r\n".encode("utf-16"))
    put(tmp_path / "log" / "b.csv", "at,wär,what\r\n2025-01-02,vör,i2\r\n".encode("utf-16"))
    columns = {"user_id": "`wär`", "item_id": "what", "event_time": "at"}
    options = {"header": "true", "encoding": "UTF-16"}
    assert good(spark, log(path=f"{tmp_path}/log", format="csv", options=options, columns=columns)) == EXPECTED


@pytest.mark.parametrize(
    ("encoding", "python", "whole"),
    [
        ("windows-1252", "cp1252", False),
        ("windows-1252", "cp1252", True),
        ("UTF-16", "utf-16-be", False),
        ("UTF-16LE", "utf-16-le", False),
        ("UTF-16", "utf-16", True),
        ("UTF-8", "utf-8-sig", True),
    ],
)
def test_a_json_is_read_by_its_encoding(
    spark: SparkSession, tmp_path: Path, encoding: str, python: str, whole: bool
) -> None:
    text = json.dumps(list(map(json.loads, LINES.splitlines())), indent=1, ensure_ascii=False) if whole else LINES
    path = put(tmp_path / "log.json", text.encode(python))
    assert good(spark, log(path=path, format="json", options={"encoding": encoding})) == EXPECTED


@pytest.mark.parametrize(
    ("format_", "bytes_", "options", "said"),
    [
        (
            "csv",
            CSV.encode("utf-16"),
            {},
            "path: {} is UTF-16, not UTF-8; set source.events.options: {{encoding: UTF-16}}",
        ),
        ("csv", CSV.encode("utf-16"), {"encoding": "cp1252"}, "path: {} is UTF-16, not windows-1252; set source"),
        ("csv", (CSV + CSV).encode(), {"encoding": "cp1252"}, "path: {} is UTF-8, not windows-1252; leave out source"),
        ("csv", CSV.encode(), {"encoding": "UTF-16"}, "path: {} is UTF-8, not UTF-16; set source"),
        ("csv", CSV.encode(), {"encoding": "none"}, "options.encoding: Java knows no none; write a name such as UTF-8"),
        (
            "csv",
            CSV.encode("utf-16"),
            {"encoding": "UTF-16", "multiLine": "false"},
            "path: {}: UTF-16 is not read line by line; leave out source.events.options.multiLine",
        ),
        (
            "json",
            LINES.encode("utf-16"),
            {},
            "path: {} is UTF-16 with a byte order mark, of which lines of JSON",
        ),
        (
            "json",
            LINES.encode("utf-16-le"),
            {},
            "path: {} is UTF-16LE, not UTF-8; set source.events.options: {{encoding",
        ),
        (
            "sequences",
            "u bör\n".encode("cp1252"),
            {},
            "path: {} is probably windows-1252, or else ",
        ),
        (
            "sequences",
            b"u a\n",
            {"encoding": "cp1252"},
            "options.encoding: sequences is read as UTF-8 alone; write it so",
        ),
    ],
)
def test_what_would_be_read_as_another_is_refused(
    spark: SparkSession, tmp_path: Path, format_: str, bytes_: bytes, options: dict[str, str], said: str
) -> None:
    given = options | ({"header": "true"} if format_ == "csv" else {})
    events = log(path=put(tmp_path / "log.txt", bytes_), format=format_, options=given)
    with pytest.raises(ContractError) as error:
        read_source(spark, events, "source.events")
    assert str(error.value).startswith("source.events." + said.format(f"{tmp_path.name}/log.txt"))
