"""Beside rows by rules: our counts' and VAE's rows a second on one core, to nowhere, and to Delta."""

import argparse
import shutil
from pathlib import Path

import clock
import night

from recaug.generators.registry import generators
from recaug.generators.sampling import generate
from recaug.night.augment import request_of
from recaug.night.inputs import generator_inputs

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
parser.add_argument("--share", type=float, required=True, help="of Beauty's users")
parser.add_argument("--copies", type=int, required=True, help="of each of them")
given = parser.parse_args()
folder = given.folder.resolve()
context = night.after("train", night.settled(folder, given.share), cores=1)
train = context.lake.read("sequences").where("split = 'train'")
copies = train.crossJoin(context.spark.range(given.copies).withColumnRenamed("id", "copy"))
copies = copies.selectExpr("* EXCEPT (user_id, copy)", "concat(user_id, '-', copy) AS user_id").persist()
copies.count()
for generator in generators(context.config.augment.generators):
    folders = generator.folders(generator_inputs(context), context.recorded("train").metrics.models)
    request = request_of(context, generator.name)
    rows = generate(copies, generator, folders, request, context.config.augment.buckets)
    number = rows.count()  # the warm-up
    with clock.Clock() as running:
        rows.write.format("noop").mode("overwrite").save()
    clock.tell("rows to nowhere", generator.name, number, running)
    shutil.rmtree(folder / "delta", ignore_errors=True)
    with clock.Clock() as running:
        rows.write.format("delta").save(str(folder / "delta"))
    clock.tell("rows to Delta", generator.name, number, running)
