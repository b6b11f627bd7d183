"""Inputs that attack: each ends in one line or as what is missing, and takes no more memory than a bound."""

import io
import resource
import struct
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from scipy.io import wavfile

from recaug import cli
from recaug.clickstream.images import PIXELS, _pixels
from recaug.clickstream.readers import locate
from recaug.clickstream.sounds import _vector
from recaug.config import Training, load
from recaug.errors import ConfigError, ContractError
from recaug.exits import exit_code, printable
from recaug.night.failures import one_line_errors
from recaug.report import plots
from recaug.report.page import templates
from recaug.report.series import Look
from recaug.training.launch import launcher_name
from recaug.training.launchers.outcome import own_jobs


def memory() -> float:
    """The most that this process had so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def clip(rate: int) -> bytes:
    """16 KB of noise that claim a rate."""
    out = io.BytesIO()
    wavfile.write(out, 16_000, np.random.default_rng(0).integers(-9, 9, 8_000, dtype=np.int16))
    raw = bytearray(out.getvalue())
    raw[24:32] = struct.pack("<II", rate, 2 * rate % 2**32)
    return bytes(raw)


@pytest.mark.parametrize("rate", [0, 1, 999, 400_001, 2**32 - 1])
def test_a_clip_that_claims_an_impossible_rate_is_missing(rate: int) -> None:
    """T19: 1 Hz took 6.1 GB and a minute."""
    before = memory()
    assert _vector(clip(rate)) is None
    assert memory() - before < 200


def test_a_clip_of_the_lowest_rate_is_heard() -> None:
    """T19."""
    assert _vector(clip(1_000)) is not None


def bomb(width: int, height: int) -> bytes:
    """A PNG of some kB that claims so many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = zlib.compress(bytes((width // 8 + 1) * min(height, 64)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(30_000, 30_000), (8_000, 8_000)])
def test_a_picture_bomb_is_a_picture_that_cannot_be_read(width: int, height: int) -> None:
    """T17: DecompressionBombError is no OSError; below Pillow's own bound a picture took 500 MB."""
    before = memory()
    pixels, problem = _pixels(bomb(width, height), 32, 3)
    assert pixels is None
    assert f"{PIXELS:,}" in str(problem) or "decompression bomb" in str(problem)
    assert memory() - before < 100


@pytest.mark.parametrize(
    "damage", [b"\x89PNG\r\n\x1a\n", bomb(10, 10)[:50], b"GIF89a" + bytes(9), b"BM" + b"\xff" * 60]
)
def test_a_damaged_picture_is_one_that_cannot_be_read(damage: bytes) -> None:
    """T17."""
    assert _pixels(damage, 32, 3)[0] is None


def test_a_yaml_of_another_encoding_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """T17: Latin-1 ended in a stack trace."""
    path = tmp_path / "shop.yaml"
    path.write_bytes("artifacts: caf\xe9\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="byte 15 is no UTF-8"):
        load(path)
    assert cli.main(["--config", str(path), "--date", "2017-01-01"]) == 2
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "path", ["recaug/../../x", "recaug//etc/passwd", "../x", "/x", "..recaug/x", "recaug/../numpy/py.typed"]
)
def test_a_path_does_not_leave_its_package(path: str) -> None:
    """T23: package://x/../.. read any file."""
    with pytest.raises(ContractError, match=r"source\.events\.path: .*package"):
        locate(f"package://{path}", "source.events")


def test_a_file_outside_of_a_package_is_not_read_though_it_is_there() -> None:
    """T23: beside the package lies the checkout, or the environment's other packages."""
    with pytest.raises(ContractError, match=r"leaves the package recaug"):
        locate("package://recaug/..", "source.events")


def test_what_a_terminal_would_obey_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """T23: a column's name with escape codes; a right-to-left mark turns what is read around."""

    def fail() -> None:
        raise ContractError("the source has a\x1b[2J\x07b\u202ec, caf\xe9 \u304b")

    assert exit_code(fail) == 3
    assert capsys.readouterr().err == "error: the source has a\\x1b[2J\\x07b\\u202ec, caf\xe9 \u304b\n"
    cli.say("title \x1b]0;owned\x07")
    assert "\x1b" not in capsys.readouterr().out
    assert printable("caf\xe9 12 \u20ac") == "caf\xe9 12 \u20ac"


def test_an_error_that_nobody_has_words_for_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """T17: any error that no pattern names was a stack trace."""

    def fail() -> None:
        raise KeyError("no such\nthing")

    assert exit_code(fail) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: not expected: KeyError: ")
    assert said.count("\n") == 1
    with pytest.raises(KeyError):
        exit_code(fail, trace=True)


@pytest.mark.parametrize("pattern", ["YYYY-MM-dd", "foo", "yyyy-MM-dd'T"])
def test_a_pattern_that_no_time_has_is_one_line(spark: SparkSession, pattern: str) -> None:
    """T17: an old-style pattern of to_timestamp ended in a stack trace."""
    quoted = pattern.replace("'", "\\'")
    df = spark.createDataFrame([("2017-01-01",)], "t string")
    said = r"(?i)^ingest: what source says cannot be computed: .*pattern"
    with pytest.raises(ContractError, match=said), one_line_errors("ingest"):
        df.select(F.expr(f"to_timestamp(t, '{quoted}')")).collect()


def test_a_training_that_hangs_ends_its_own_jobs_alone(spark: SparkSession) -> None:
    """T20: cancelAllJobs ended those of others in the same session."""
    seen: dict[str, object] = {}

    def job(name: str) -> None:
        def slow(rows):  # type: ignore[no-untyped-def]
            time.sleep(4)
            return rows

        try:
            seen[name] = spark.sparkContext.parallelize([1], 1).mapPartitions(slow).collect()
        except Exception:
            seen[name] = "ended"

    other = threading.Thread(target=job, args=("other",))
    other.start()
    with own_jobs(spark) as cancel:
        threading.Timer(2, cancel).start()
        job("own")
    other.join()
    assert seen == {"own": "ended", "other": [1]}


def test_a_launcher_takes_no_job_of_others_with_it() -> None:
    """T20."""
    folder = Path(cli.__file__).parent / "training" / "launchers"
    assert not [file.name for file in folder.glob("*.py") if "cancelAllJobs" in file.read_text()]
    assert (folder / f"{launcher_name(Training())}.py").exists()


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [1, *a]",
        "a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\n"
        + "\n".join(f"c{n}: &c{n} [{', '.join(['*b' if n == 0 else f'*c{n - 1}'] * 9)}]" for n in range(9)),
        "a: " + "[" * 5_000,
    ],
    ids=["an alias of itself", "a billion laughs", "nested"],
)
def test_a_yaml_that_grows_is_one_line(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """T17: made by fuzzing; the first ended in RecursionError, the second would fill the memory."""
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    before = memory()
    assert cli.main(["--config", str(path), "--date", "2017-01-01"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert memory() - before < 200


def test_a_title_that_is_long_or_moves_the_page_is_cut_and_shown() -> None:
    """T17: 10,000 characters, marks of direction and control codes of a shop's title; HTML that we made stays whole."""
    template = templates().from_string("<td>{{ title }}</td>{{ made | safe }}")
    html = template.render(title="\u202e<b>" + "x" * 10_000 + "\x00", made="<svg>" + "y" * 5_000)
    cell, made = html.split("</td>")
    assert cell.startswith("<td>\\u202e&lt;b&gt;xxx")
    assert len(cell) < 1_050
    assert len(made) == 5_005


def test_a_category_of_any_text_is_drawn() -> None:
    """T17: mathtext, control codes, a thousand letters."""
    odd = ["$a_$ deals", "\x1b[2J", "<script>", "z" * 10_000, "\u202e", "$$$", "\\frac{", "\n\n", ""]
    mix = pd.DataFrame([("real", name, 9) for name in odd], columns=["series", "category", "events"])
    svg = plots.categories(mix, {"real": Look("real events", "--real")})
    assert "<script>" not in svg
    assert len(svg) < 100_000
