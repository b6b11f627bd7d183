"""A front end for sounds: short WAV clips as a vector of log-mel energies, one modality among the others."""

import io
import struct
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyspark.sql import Column
from pyspark.sql import functions as F
from scipy.io import wavfile
from scipy.signal import resample_poly, spectrogram

RATE = 16_000  # samples a second, to which every clip is brought
FRAME, HOP = 400, 160  # samples: 25 and 10 ms
BANDS = 40
LOWEST = 20.0  # Hz
RATES = (1_000, 400_000)  # samples a second that a clip may claim; 1 would make 16,000 of each sample
SECONDS = 600  # of a clip that are read
FLOOR = 1e-10  # of the power, before the logarithm


def log_mel(samples: NDArray[np.float64], rate: int) -> NDArray[np.float32]:
    """Mean and standard deviation over time of the log energy in BANDS mel bands, (2 * BANDS,).

    samples: (n,) or (n, channels), which are averaged. Bands are triangles of equal width on the mel scale (Davis and
    Mermelstein 1980), from LOWEST to half of RATE. A clip shorter than a frame is padded with silence.
    """
    mono = samples.mean(axis=1) if samples.ndim == 2 else samples
    if rate != RATE:
        shared = np.gcd(rate, RATE)
        mono = resample_poly(mono, RATE // shared, rate // shared)
    mono = np.pad(mono, (0, max(FRAME - len(mono), 0)))
    frequencies, _, power = spectrogram(mono, RATE, "hann", FRAME, FRAME - HOP, detrend=False)
    energy = np.log(mel_bands(frequencies) @ power + FLOOR)
    return np.concatenate([energy.mean(axis=1), energy.std(axis=1)]).astype(np.float32)


def mel_bands(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight of each frequency in each band, (BANDS, frequencies)."""
    edges = hertz(np.linspace(mel(LOWEST), mel(RATE / 2), BANDS + 2))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (frequencies - low) / (centre - low), (high - frequencies) / (high - centre)
    return np.maximum(0.0, np.minimum(rising, falling))


def mel(frequency: float) -> float:
    """2595 log10(1 + f / 700) (O'Shaughnessy 1987).

    >>> round(mel(1000.0))
    1000
    """
    return float(2595 * np.log10(1 + frequency / 700))


def hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    """The way back."""
    return 700 * (10 ** (mels / 2595) - 1)


def sound_vectors(sound: Column) -> Column:
    """Read WAV clips, as bytes or as paths of files that the executors see: array<float>, null for what is no WAV."""

    @F.pandas_udf("array<float>")  # type: ignore[call-overload]
    def read(clips: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for part in clips:
            yield part.map(_vector)

    made: Column = read(sound)
    return made


def _vector(clip: bytes | str | None) -> NDArray[np.float32] | None:
    if clip is None:
        return None
    try:
        rate, samples = wavfile.read(clip if isinstance(clip, str) else io.BytesIO(clip))
    except (OSError, ValueError, struct.error):  # the last of a clip that ends within its head
        return None
    if not len(samples) or not RATES[0] <= rate <= RATES[1] or samples.dtype.kind not in "iuf":
        return None
    samples = samples[: SECONDS * rate]
    scale = 1.0 if samples.dtype.kind == "f" else float(np.iinfo(samples.dtype).max)
    offset = 128 if samples.dtype == np.uint8 else 0  # 8 bits have their silence in the middle
    return log_mel((samples.astype(np.float64) - offset) / (scale - offset), rate)
