"""Where the key of the pseudonyms is kept, and what is said where there is none."""

from collections.abc import Callable
from pathlib import Path

import pytest

from recaug.config import Config, load
from recaug.errors import ConfigError

KEY = "0123456789abcdef" * 2


def test_the_key_comes_from_a_file_or_the_environment_and_is_written_nowhere(
    thin_config: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    monkeypatch.setenv("RECAUG_TEST_KEY", KEY)
    for where in ({"file": str(tmp_path / "key")}, {"env": "RECAUG_TEST_KEY"}):
        config = thin_config({"privacy": {"key": where}})
        assert config.privacy.secret == KEY
        assert KEY in config.secrets  # what the console and MLflow hide
        assert KEY not in config.written()
        assert config.hash == thin_config().hash  # its place decides no row


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("env: RECAUG_NO_SUCH", "privacy.key: environment variable RECAUG_NO_SUCH is empty or not set; give it 32"),
        ("file: no-such-file", "privacy.key: file no-such-file cannot be read; write a key into it"),
        ("env: RECAUG_SHORT", "privacy.key: environment variable RECAUG_SHORT has 6 characters; give it 32 or more"),
    ],
)
def test_a_key_that_is_none_is_one_line(
    where: str, said: str, thin_yaml: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECAUG_SHORT", "secret")
    name, value = where.split(": ")
    config = load(thin_yaml({"privacy": {"key": {name: value}}}))
    with pytest.raises(ConfigError, match=said):
        _ = config.secrets


def test_the_key_itself_is_refused_in_the_yaml(thin_yaml: Callable[..., Path]) -> None:
    for wrong in (KEY, {}, {"env": "A", "file": "b"}):
        with pytest.raises(ConfigError, match="key"):
            load(thin_yaml({"privacy": {"key": wrong}}))
