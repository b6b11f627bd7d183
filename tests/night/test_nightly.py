import datetime as dt
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pandas as pd
import psutil
import pytest
from deltalake import DeltaTable, QueryBuilder
from tests.conftest import BRIEF, STAGES, THIN_DAY, copied, copied_tables
from tests.generators.test_own_generator import ENTRY
from tests.night.nights import logged

from recaug import cli
from recaug.config import load, parse_stages
from recaug.errors import ConfigError, ContractError, StorageError
from recaug.lake import runs
from recaug.lake.tables import Lake
from recaug.night.nightly import run_night

ROOT = Path(__file__).parents[2]
DATE = THIN_DAY.isoformat()
BRIEF_SPARK = {"settings": {"spark.driver.extraJavaOptions": BRIEF}}


def quiet(line: str) -> None:
    """Swallow what a night prints."""


def opened(config, name):
    return DeltaTable(f"{config.lake.path}/{name}")


def count(config, name):
    return sum(opened(config, name).get_add_actions(flatten=True).column("num_records").to_pylist())


def read(table: DeltaTable) -> pd.DataFrame:
    """All rows, read by delta-rs; its own Arrow is newer than the pinned pyarrow can take."""
    rows = QueryBuilder().register("t", table).execute("SELECT * FROM t").read_all()
    return pd.DataFrame({name: rows.column(name).to_pylist() for name in rows.column_names})


@pytest.mark.slow
def test_a_night_ends_in_tables_that_an_independent_reader_finds_as_the_summary_says(spark, night):
    config, summary = night
    rows = summary["rows"]
    assert rows["in"] == rows["events"] + rows["duplicates"] + rows["quarantined"]
    assert count(config, "events") == rows["events"] > 1000
    assert count(config, "events_quarantine") == rows["quarantined"] > 0
    assert count(config, "candidate_events") == rows["candidates"] > 1000
    assert count(config, "recommendations") == rows["recommendations"] > 1000
    assert summary["decision"] in ("publish", "hold")
    assert summary["reasons"]
    augmented = count(config, "augmented_events") if summary["decision"] == "publish" else 0
    assert augmented == rows["augmented"]
    assert (rows["augmented"] > 0) == (summary["decision"] == "publish")
    assert set(summary["metrics"]) == {"none", "vae", "gan"}
    trial = runs.find(Lake(spark, config.lake.path), THIN_DAY, "evaluate").metrics
    fidelity = {arm: trial.arms[arm].fidelity for arm in ("vae", "gan")}
    assert all(of_arm.ranking > 0 and 0.4 < of_arm.told_apart <= 1 for of_arm in fidelity.values())
    assert set(summary["cpu_seconds"]) == set(STAGES)
    on_disk = json.loads((Path(config.artifacts) / DATE / "summary.json").read_text())
    assert on_disk == json.loads(json.dumps(summary))
    assert (Path(config.artifacts) / DATE / "report" / "index.html").stat().st_size > 50_000
    assert "SASRec + VAE rows" in (Path(config.artifacts) / DATE / "report" / "model_card.md").read_text()

    # MLflow holds the night, and below it each model with its losses
    seeds = range(config.evaluate.seeds)
    generators = {f"{kind}-fold{fold}" for kind in ("vae", "gan") for fold in range(config.prepare.folds)}
    recommenders = {f"{arm}-seed{seed}" for arm in ("none", "vae", "gan") for seed in seeds}
    assert logged(Path(config.artifacts)) == {summary["run_id"]: generators | recommenders}

    # nothing generated is dated in the windows that prove it, and every row names whom it comes from
    generated = read(opened(config, "candidate_events"))
    assert generated["event_time"].max() < dt.datetime.fromisoformat("2017-01-12T00:00:00+00:00")
    assert generated["source_users"].map(len).min() >= 1
    real = set(read(opened(config, "events"))["event_id"])
    assert set(generated["parent_event_id"].dropna()) <= real
    assert not set(generated["event_id"]) & real

    # a rerun writes the same rows, and --resume finds nothing to do
    version = opened(config, "candidate_events").version()
    said: list[str] = []
    resumed = run_night(config, THIN_DAY, spark, resume=True, say=said.append)
    assert sum("skipped" in line for line in said) == len(STAGES)
    assert opened(config, "candidate_events").version() == version
    assert resumed["content_hash"] == summary["content_hash"]


@pytest.mark.slow
def test_after_a_change_only_what_it_decides_runs_again(spark, night, tmp_path):
    """The gate's bound, then the lists' length: nothing is sampled or trained anew, and no row has another name.

    The audit, which is the gate's as well, is left out.
    """
    config, summary = copied(night[0], tmp_path), night[1]
    models = {file: file.stat().st_mtime_ns for file in (tmp_path / "artifacts" / "models").rglob("model.safetensors")}
    gate = msgspec.structs.replace(config.evaluate.gate, min_lift=0.5)
    judging, unasked = (
        msgspec.structs.replace(config.evaluate, gate=gate),
        msgspec.structs.replace(config.privacy, users=0),
    )
    strict = msgspec.structs.replace(config, evaluate=judging, privacy=unasked)
    recommend = msgspec.structs.replace(strict.recommend, k=strict.recommend.k + 1)
    longer = msgspec.structs.replace(strict, recommend=recommend)
    last = STAGES.index("publish") + 1
    for changed, first, stages in ((strict, "evaluate", STAGES[:last]), (longer, "recommend", STAGES)):
        said: list[str] = []
        again = run_night(changed, THIN_DAY, spark, stages, resume=True, say=said.append)
        assert {line.split()[0] for line in said if "done before" in line} == set(STAGES[: STAGES.index(first)])
        assert again["run_id"] == summary["run_id"]
        assert again["metrics"] == summary["metrics"]
    assert again["decision"] == "hold"
    assert models == {
        file: file.stat().st_mtime_ns for file in (tmp_path / "artifacts" / "models").rglob("model.safetensors")
    }


def test_the_leak_checks_can_be_made_again(night, here, capsys):
    config, _ = night
    assert cli.leaks(["--config", str(Path(config.artifacts).with_name("night.yaml")), "--date", DATE]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert last == "no leak"
    assert {"vocabulary", "generator", "candidate_events,"} <= {line.split()[0] for line in lines}


@pytest.mark.slow
def test_the_rows_do_not_depend_on_shuffle_partitions(spark, thin_config, night):
    """From prepare on; of ingest test_ingest shows it."""
    config, stages = thin_config(), STAGES[STAGES.index("prepare") : STAGES.index("augment") + 1]
    Path(config.lake.path).mkdir()
    copied_tables(night[0], config, spark, "ingest")
    spark.conf.set("spark.sql.shuffle.partitions", "8")
    try:
        again = run_night(config, THIN_DAY, spark, stages, say=quiet)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", "2")
    assert again["content_hash"] == night[1]["content_hash"] is not None


def test_an_error_is_one_line_and_the_exit_code_says_which(thin_yaml, tmp_path):
    """Of what is given, and last of a Java process that is killed while a night is under way."""
    path = thin_yaml({"spark": BRIEF_SPARK})
    text = path.read_text()
    cases = [
        (text.replace("user_id: household_id", "user_id: household"), 3, "household"),
        (text.replace("seed: 2017", "seeds: 2017"), 2, "seeds"),
        (text.replace("transactions.parquet", "no-such.parquet"), 3, "no-such.parquet"),
    ]
    paths = [path.with_name(f"case{number}.yaml") for number in range(len(cases))]
    for at, (changed, _, _) in zip(paths, cases, strict=True):
        assert changed != text
        at.write_text(changed)
    one_by_one = "import sys; from recaug.cli import main\nfor a in sys.argv[1:]: print('exit code', main(a.split()))"
    command = [sys.executable, "-u", "-c", one_by_one, *(f"--config {at} --date {DATE}" for at in (*paths, path))]
    codes: list[str] = []
    with (
        (tmp_path / "said").open("w+") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("exit code"):
                codes.append(line.split()[-1])
            if line.startswith("night of") and len(codes) == len(cases):
                (java,) = [one for one in psutil.Process(process.pid).children(recursive=True) if one.name() == "java"]
                java.kill()
    assert codes == [*(str(code) for _, code, _ in cases), "1"]
    failed = (tmp_path / "said").read_text()
    lines = [line for line in failed.splitlines() if line.startswith("error: ")]
    for line, said_of in zip(lines, [*(word for _, _, word in cases), ""], strict=True):
        assert said_of in line
    assert lines[-1].startswith("error: Spark's Java process died; killed, or out of memory")
    assert lines[-1] == failed.splitlines()[-1]
    assert "Traceback" not in failed
    assert not (path.parent / "lake" / "events").exists()


def test_a_date_without_data_leaves_the_tables_as_they_were(spark, night, tmp_path):
    config = copied(night[0], tmp_path)
    before = opened(config, "events").version()
    with pytest.raises(ContractError, match="2017-03-01"):
        run_night(config, dt.date(2017, 3, 1), spark, ["ingest"], say=quiet)
    assert opened(config, "events").version() == before


def test_a_lake_that_cannot_be_written_is_a_storage_error(spark, thin_config, tmp_path):
    (tmp_path / "file").write_text("no folder")
    config = thin_config({"lake": {"path": str(tmp_path / "file" / "lake")}})
    with pytest.raises(StorageError):
        run_night(config, THIN_DAY, spark, ["ingest"], say=quiet)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_is_a_storage_error_and_the_tables_stay_as_they_were(spark, thin_config, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(small)], check=False).returncode:
        pytest.skip("this machine does not let tests mount a file system")
    try:
        with pytest.raises(StorageError, match="no space left"):
            run_night(thin_config({"lake": {"path": str(small / "lake")}}), THIN_DAY, spark, ["ingest"], say=quiet)
        assert not Lake(spark, str(small / "lake")).exists("events")
    finally:
        subprocess.run(["umount", "--lazy", str(small)], check=True)  # Spark may still hold a file open


def test_a_stage_before_its_input_says_which_stage_is_missing(spark, thin_config):
    for stage, missing in (("prepare", "events"), ("augment", "train"), ("publish", "evaluate")):
        with pytest.raises(ContractError, match=missing):
            run_night(thin_config(), THIN_DAY, spark, [stage], say=quiet)


def test_stages_run_in_the_order_of_the_night():
    assert parse_stages("train,ingest", STAGES) == ["ingest", "train"]
    with pytest.raises(ConfigError, match="brew"):
        parse_stages("ingest,brew", STAGES)


def test_a_dry_run_prints_the_plan_and_touches_nothing(thin_yaml, here, capsys):
    path = thin_yaml()
    assert cli.main(["--config", str(path), "--date", DATE, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "rows to ingest" in printed
    assert all(f"{stage}: reads" in printed for stage in STAGES)
    assert {child.name for child in path.parent.iterdir()} == {"night.yaml"}


def test_a_backfill_runs_one_night_a_day(spark, thin_yaml, thin_config, here, capsys):
    """closed_day_in_backfill: the days after one without a row were never made.

    T2: one that is resumed began with the first night again, which wrote over the tables of the one cut short.
    """

    def nights(first, *more):
        code = cli.main(["--config", str(thin_yaml()), "--date", first, "--stages", "ingest", *more])
        return code, capsys.readouterr().out.splitlines()

    def begun(said):
        return [line.split(",")[0].split(":")[0] for line in said if "night of" in line]

    code, said = nights("2017-01-19", "--until", "2017-01-20")
    assert code == 0
    assert begun(said) == ["night of 2017-01-19", "night of 2017-01-20"]
    # the log ends with 2017-01-21
    code, said = nights("2017-01-18", "--until", "2017-01-22", "--resume")
    assert code == 0
    assert said[0] == "nights of 2017-01-18 to 2017-01-19: done before, skipped"
    assert begun(said)[0] == "night of 2017-01-20"  # the last that was begun; it had come to its end
    (done,) = (number for number, told in enumerate(said[1:], 1) if "done before, skipped" in told)
    assert begun(said[done:]) == ["night of 2017-01-21", "night of 2017-01-22", "no night of 2017-01-22"]
    config = thin_config()
    assert runs.find(Lake(spark, config.lake.path), THIN_DAY, "ingest") is not None
    assert nights("2017-01-22", "--until", "2017-01-23")[0] == 3
    before = opened(config, "events").version()
    assert nights("2017-01-20")[0] == 3
    assert opened(config, "events").version() == before
    assert nights("2017-01-20", "--again")[0] == 0


def test_a_shops_own_generator_goes_through_a_night_to_its_page(spark, night, thin_yaml, tmp_path):
    config, summary = night
    copied(config, tmp_path / "own")
    changes = {"augment": {"generators": [{**ENTRY, "name": "repeats"}]}, "evaluate": {"seeds": 1}}
    own = load(thin_yaml(changes, "own"))
    said: list[str] = []
    made = run_night(own, THIN_DAY, spark, resume=True, say=said.append)
    assert [line.split()[0] for line in said if "skipped" in line] == ["ingest", "prepare"]
    assert made["run_id"] != summary["run_id"]
    assert set(made["metrics"]) == {"none", "repeats"}
    assert made["rows"]["candidates"] > 100
    rows = Lake(spark, own.lake.path).read("candidate_events").where(f"run_id = '{made['run_id']}'")
    assert {row["generator"] for row in rows.select("generator").distinct().collect()} == {"repeats"}
    page = (Path(own.artifacts) / DATE / "report" / "index.html").read_text()
    assert "SASRec + recent events (repeats) rows" in page
    assert "#444444" in page
