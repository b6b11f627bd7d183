"""Beside SDV: Beauty's train rows as a file, our generators' rows a second, and what the gate says of all rows."""

import argparse
import json
from pathlib import Path

import clock
import night
import numpy as np
import pandas as pd

from recaug.generators.registry import generators
from recaug.generators.sampling import generate
from recaug.night.augment import request_of
from recaug.night.inputs import generator_inputs


def prepare(folder: Path, share: float) -> None:
    """Write train.csv: user_id, place, item_index, each user's train events in their order."""
    context = night.after("train", night.settled(folder, share), cores=2)
    rows = context.lake.read("sequences").where("split = 'train' AND window = 0").select("user_id", "items").toPandas()
    items = [own[own > 0] for own in (np.frombuffer(bytes(own), "<i4") for own in rows["items"])]
    lengths = [len(own) for own in items]
    places = np.concatenate([np.arange(length) for length in lengths])
    frame = pd.DataFrame({"user_id": np.repeat(rows["user_id"].to_numpy(), lengths), "place": places})
    frame.assign(item_index=np.concatenate(items)).to_csv(folder / "train.csv", index=False)


def sample(folder: Path, share: float) -> None:
    """Tell how many rows a second our generators write, on one core."""
    context = night.after("train", night.settled(folder, share), cores=1)
    train = context.lake.read("sequences").where("split = 'train'").persist()
    for generator in generators(context.config.augment.generators):
        folders = generator.folders(generator_inputs(context), context.recorded("train").metrics.models)
        request = request_of(context, generator.name)
        for _ in range(2):  # the first is the warm-up
            with clock.Clock() as running:
                rows = generate(train, generator, folders, request, context.config.augment.buckets).count()
        clock.tell("generated rows", generator.name, rows, running)


def judge(folder: Path, share: float) -> None:
    """Let the gate judge our rows and SDV's."""
    night.after("evaluate", night.settled(folder, share, ("par", "ctgan")), cores=2)
    said = json.loads((folder / "artifacts" / night.DATE.isoformat() / "summary.json").read_text())
    print(json.dumps({"what": "gate", **{key: said[key] for key in ("decision", "reasons", "lift", "rows")}}))


STEPS = {"prepare": prepare, "sample": sample, "judge": judge}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--share", type=float, required=True, help="of Beauty's users")
    given = parser.parse_args()
    STEPS[given.step](given.folder.resolve(), given.share)
