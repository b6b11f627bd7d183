"""T8: what a configuration keeps secret leaves the process nowhere."""

from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from tests.conftest import shipped

from recaug import cli, exits
from recaug.config import loads
from recaug.config.secrets import hide
from recaug.errors import ConfigError, ContractError
from recaug.night.tracking import FOLDER

KEPT = ("s3cretKeyOfTheShop", "pa55wordOfTheCsv", "Vjq2sigOfTheStore")


def with_secrets(values: dict) -> dict:
    """The three of KEPT, and a setting and an option that are none."""
    spark = {"spark.hadoop.fs.s3a.secret.key": KEPT[0], "spark.ui.retainedJobs": "11"}
    values["spark"]["settings"] = values["spark"].get("settings", {}) | spark
    options = values["source"]["events"].get("options", {})
    values["source"]["events"]["options"] = options | {"storePassword": KEPT[1], "mergeSchema": "false"}
    values["tracking"]["uri"] = None
    values["source"]["items"]["options"] = {"endpoint": f"https://shop.example/data?sv=2024&sig={KEPT[2]}&se=1"}
    return values


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("at https://me:pw@host/a", "at https://***@host/a"),
        ("https://ghp_abc@host/a", "https://***@host/a"),
        ("https://store/x?sv=1&sig=aB%3D&se=2", "https://store/x?sv=1&sig=***&se=2"),
        ("-Djavax.net.ssl.trustStorePassword=changeit -Xmx1g", "-Djavax.net.ssl.trustStorePassword=*** -Xmx1g"),
        ("AccountName=shop;AccountKey=abc==;x=1", "AccountName=shop;AccountKey=***;x=1"),
        ("key AKIAIOSFODNN7EXAMPLE", "key ***"),
        ("Authorization: Bearer abcdefghij", "Authorization: Bearer ***"),
        ("abfss://lake@account.dfs.core.windows.net/a", "abfss://lake@account.dfs.core.windows.net/a"),
        ("s3a://bucket/2017-01-21/report@2", "s3a://bucket/2017-01-21/report@2"),
        ("visitor LIKE 'token-%' AND n = 3", "visitor LIKE 'token-%' AND n = 3"),
    ],
)
def test_a_secret_is_hidden_by_its_form_and_nothing_else(text: str, shown: str) -> None:
    """T8."""
    assert hide(text) == shown


def test_the_resolved_configuration_has_no_secret_and_says_the_rest() -> None:
    """T8: config.yaml beside the report."""
    written = loads(yaml.safe_dump(with_secrets(shipped("weeks")))).written()
    assert not [secret for secret in KEPT if secret in written]
    assert "spark.hadoop.fs.s3a.secret.key: '***'" in written
    assert "spark.ui.retainedJobs: '11'" in written


def test_an_error_line_hides_what_the_configuration_knows(capsys: pytest.CaptureFixture[str]) -> None:
    """T8: what Spark says may hold the value of an option."""
    config = loads(yaml.safe_dump(with_secrets(shipped("weeks"))))

    def fail() -> None:
        with exits.hiding(config.secrets):
            raise ContractError(f"no store at ftp://me:pw@host, with {KEPT[1]}")

    assert exits.exit_code(fail) == 3
    assert capsys.readouterr().err == "error: no store at ftp://***@host, with ***\n"


@pytest.mark.parametrize("key", ["artifacts", "lake.path"])
def test_an_address_that_tables_would_keep_has_no_password(key: str) -> None:
    """T8: models' and tables' addresses are recorded."""
    with pytest.raises(ConfigError, match=f"{key} has a secret in its address"):
        loads(yaml.safe_dump(shipped("weeks")), settings=[f"{key}=s3a://key:secret@bucket/x"])


def test_a_night_leaves_no_secret_anywhere(thin_yaml, here, capsys) -> None:
    """T8: neither in tables, files and MLflow's parameters, nor on the console."""
    path = thin_yaml()
    path.write_text(yaml.safe_dump(with_secrets(yaml.safe_load(path.read_text()))))
    arguments = ["--config", str(path), "--date", "2017-01-21"]
    assert cli.main([*arguments, "--dry-run"]) == 0
    assert cli.main([*arguments, "--stages", "ingest,report"]) == 0
    said = capsys.readouterr()
    folder = Path(path.parent)
    left = [file for file in folder.rglob("*") if file.is_file() and file != path]
    held = [(file.name, secret) for file in left for secret in KEPT if secret.encode() in file.read_bytes()]
    assert held == []
    assert not [secret for secret in KEPT if secret in said.out + said.err]
    mlflow = MlflowClient((folder / "artifacts" / FOLDER).resolve().as_uri())
    experiments = [experiment.experiment_id for experiment in mlflow.search_experiments()]
    params = [run.data.params for run in mlflow.search_runs(experiments)]
    assert [each["spark.settings.spark.hadoop.fs.s3a.secret.key"] for each in params] == ["***"]
