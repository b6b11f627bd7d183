import io
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import SparkSession
from scipy.io import wavfile

from recaug.clickstream.sounds import BANDS, LOWEST, RATE, hertz, log_mel, mel, sound_vectors


def tone(frequency: float, rate: int = RATE, seconds: float = 0.5) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)


def wav(samples: np.ndarray, rate: int) -> bytes:
    file = io.BytesIO()
    wavfile.write(file, rate, samples)
    return file.getvalue()


@pytest.mark.parametrize("frequency", [300.0, 1000.0, 4000.0])
@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_a_tone_is_loudest_in_the_band_about_it(frequency: float, rate: int) -> None:
    vector = log_mel(tone(frequency, rate), rate)
    assert vector.shape == (2 * BANDS,)
    centres = hertz(np.linspace(mel(LOWEST), mel(RATE / 2), BANDS + 2))[1:-1]
    assert int(vector[:BANDS].argmax()) == int(np.abs(centres - frequency).argmin())


def test_a_steady_tone_hardly_varies_and_a_broken_one_does() -> None:
    steady, halved = log_mel(tone(1000), RATE), tone(1000)
    halved[len(halved) // 2 :] = 0
    loud = int(steady[:BANDS].argmax())
    assert steady[BANDS + loud] < 0.1
    assert log_mel(halved, RATE)[BANDS + loud] > 1


def test_ten_times_the_amplitude_is_a_hundred_times_the_energy() -> None:
    loud = int(log_mel(tone(1000), RATE)[:BANDS].argmax())
    difference = log_mel(tone(1000), RATE)[loud] - log_mel(tone(1000) / 10, RATE)[loud]
    assert difference == pytest.approx(np.log(100), rel=1e-3)


def test_clips_are_read_from_bytes_and_from_files_whatever_their_width(spark: SparkSession, tmp_path: Path) -> None:
    samples = tone(1000)
    whole = (samples * 32767).astype(np.int16)
    (tmp_path / "one.wav").write_bytes(wav(whole, RATE))
    clips = {
        "float": wav(samples.astype(np.float32), RATE),
        "byte": wav((samples * 127 + 128).astype(np.uint8), RATE),
        "stereo": wav(np.stack([whole, whole], axis=1), RATE),
        "short": wav(whole[:50], RATE),
        "none": None,
        "broken": b"RIFF",
    }
    df = spark.createDataFrame(list(clips.items()), "name string, clip binary")
    read = {row["name"]: row["made"] for row in df.select("name", sound_vectors(df["clip"]).alias("made")).collect()}
    paths = spark.createDataFrame([(str(tmp_path / "one.wav"),), (str(tmp_path / "two.wav"),)], "clip string")
    one, two = (row["made"] for row in paths.select(sound_vectors(paths["clip"]).alias("made")).collect())
    np.testing.assert_allclose(one, log_mel(samples, RATE), atol=0.02)
    loud = int(np.argmax(one[:BANDS]))
    for name in ("float", "byte", "stereo"):
        assert read[name][loud] == pytest.approx(one[loud], abs=0.02)
    assert len(read["short"]) == 2 * BANDS
    assert read["none"] is read["broken"] is two is None
