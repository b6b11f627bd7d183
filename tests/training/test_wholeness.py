"""What is damaged on the disk is set aside and made again; ranks go on from one checkpoint."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch.distributed as dist
import torch.multiprocessing as mp
from tests.training.test_jobs import HERE, SPARK, Job, train
from tests.training.test_loop import EIGHT_EPOCHS, Line, fitted, numbers

from recaug.lake.store import Store
from recaug.training.checkpoint import read_meta, weights_hash
from recaug.training.launchers.torch_distributor import DistributedWorker
from recaug.training.loop import TrainingPlan, fit
from recaug.training.wholeness import damage, sources_hash

LIB = Path(__file__).parents[2] / "lib"


@pytest.mark.parametrize("file", ["model.safetensors", "meta.json"])
def test_a_finished_model_that_is_damaged_is_set_aside_and_trained_again(
    tmp_path: Path, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """T11: meta.json beside weights that were cut off was reused for ever, and every later stage died of it."""
    models = Store(tmp_path / "models")
    train([Job(models, "a")], SPARK, HERE, "test")
    before = read_meta(models.address("a"))["weights"]
    whole = models.read(f"a/{file}")
    models.write(f"a/{file}", whole[: len(whole) // 2])
    assert damage(models.address("a")) is not None
    (again,) = train([Job(models, "a")], SPARK, HERE, "test")
    assert not again.reused
    assert read_meta(models.address("a"))["weights"] == before
    assert damage(models.address("a")) is None
    (aside,) = {name.split("/")[0] for name in models.list("a.damaged-*/*")}
    assert f"model a: {file} " in capsys.readouterr().out
    assert models.read(f"{aside}/{file}") == whole[: len(whole) // 2]


def test_a_checkpoint_that_is_damaged_is_set_aside_and_the_one_before_or_none_counts(tmp_path: Path) -> None:
    """T11: a checkpoint that was cut off ended the training with 4, every time."""
    whole = Line()
    fitted(tmp_path / "whole", whole)
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "torn", Line(stop_after=5))
    work = Store(tmp_path / "torn")
    optimisers = work.read("checkpoint-4/optimisers.pt")
    work.write("checkpoint-4/optimisers.pt", optimisers[:-50])
    resumed = Line()
    curves = fitted(tmp_path / "torn", resumed)
    assert weights_hash(resumed.module) == weights_hash(whole.module)
    assert len(curves) == 8


def rank(number: int, meeting: str, folder: str) -> None:
    """Go on as one of two ranks; the second one's file system shows no checkpoint."""
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=number, world_size=2)
    line, worker = Line(), DistributedWorker(0)
    plan = TrainingPlan("line", EIGHT_EPOCHS, 5, seed=3, checkpoint_epochs=100)
    curves = fit(line, numbers(), worker, Store(f"{folder}/{'torn' if number == 0 else 'lags'}"), plan)
    Store(folder).write(f"rank{number}", f"{len(curves)} {weights_hash(line.module)}")
    dist.destroy_process_group()


def test_ranks_go_on_from_the_checkpoint_of_the_first(tmp_path: Path) -> None:
    """T13: a rank that did not see the checkpoint yet began at epoch 0, and waited for the others for ever."""
    with pytest.raises(KeyboardInterrupt):
        fitted(tmp_path / "torn", Line(stop_after=5))
    mp.spawn(rank, (str(tmp_path / "meeting"), str(tmp_path)), nprocs=2)
    ends = [(tmp_path / f"rank{number}").read_text() for number in (0, 1)]
    assert ends[0] == ends[1]
    assert ends[0].startswith("8 ")


def test_the_code_is_known_from_a_zip_as_well(tmp_path: Path) -> None:
    """T24: deployed as a zip, its code's version was the hash of nothing, the same for every release."""
    archive = tmp_path / "recaug.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for source in sorted((LIB / "recaug").rglob("*.py")):
            packed.write(source, source.relative_to(LIB))
    said = "from recaug.training.wholeness import sources_hash; print(sources_hash('training', 'generators'))"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(archive)!r}); {said}"]
    env = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env, cwd=tmp_path)
    assert done.stdout.strip() == sources_hash("training", "generators")
