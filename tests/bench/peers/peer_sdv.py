"""SDV's PARSynthesizer and CTGAN: rows a second that they learn and generate, and their rows as files.

SDV, CTGAN and DeepEcho are under the Business Source License: run here to compare, never shipped or depended upon.
"""

import argparse
import logging
import warnings
from pathlib import Path

import clock
import numpy as np
import pandas as pd
import torch
from sdv.metadata import Metadata
from sdv.sequential import PARSynthesizer
from sdv.single_table import CTGANSynthesizer

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
TABLE = "events"


def learnt(name: str, synthesizer: PARSynthesizer | CTGANSynthesizer, rows: pd.DataFrame, epochs: int) -> None:
    """Fit and tell."""
    with clock.Clock() as running:
        synthesizer.fit({TABLE: rows})
    clock.tell("generator, training rows", name, len(rows) * epochs, running)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path, help="with train.csv: user_id, place, item_index")
parser.add_argument("--par-epochs", type=int, default=10)
parser.add_argument("--ctgan-epochs", type=int, default=300)
given = parser.parse_args()
torch.set_num_threads(1)
train = pd.read_csv(given.folder / "train.csv").assign(item=lambda rows: "i" + rows["item_index"].astype(str))
train = train[["user_id", "place", "item"]]
users = train["user_id"].nunique()

columns = {"user_id": {"sdtype": "id"}, "place": {"sdtype": "numerical"}, "item": {"sdtype": "categorical"}}
told = {"columns": columns, "sequence_key": "user_id", "sequence_index": "place"}
par = PARSynthesizer(Metadata.load_from_dict({"tables": {TABLE: told}}), epochs=given.par_epochs, cuda=False)
learnt("PAR", par, train, given.par_epochs)
with clock.Clock() as running:
    made = par.sample_sequences(num_sequences=users)[TABLE]
clock.tell("generated rows", "PAR", len(made), running)
made = made.sort_values(["user_id", "place"], kind="stable").assign(item_index=made["item"].str[1:].astype(int))
made[["user_id", "item_index"]].to_csv(given.folder / "par.csv", index=False)

flat = {"columns": {name: columns[name] for name in ("place", "item")}}
ctgan = CTGANSynthesizer(
    Metadata.load_from_dict({"tables": {TABLE: flat}}), epochs=given.ctgan_epochs, enable_gpu=False
)
learnt("CTGAN", ctgan, train[["place", "item"]], given.ctgan_epochs)
with clock.Clock() as running:
    made = ctgan.sample(num_rows=len(train))[TABLE]
clock.tell("generated rows", "CTGAN", len(made), running)
lengths = train.groupby("user_id").size().to_numpy()  # CTGAN knows no sequences: its rows are dealt out as they come
made = made.assign(user_id=np.repeat(np.arange(users), lengths), item_index=made["item"].str[1:].astype(int))
made[["user_id", "item_index"]].to_csv(given.folder / "ctgan.csv", index=False)
