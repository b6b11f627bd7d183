"""Makes a log of searches from graded judgements, by a click model whose truth is known."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from recaug.clickstream.searches import COLUMNS, judgements_of_grades
from recaug.config import ClickModel

FRACTION = 1 << 53  # of a hash, as a number from 0 to 1


def made_searches(grades: DataFrame, model: ClickModel) -> DataFrame:
    """Make impressions of graded judgements: what config.ClickModel says of order, looks, clicks and purchases.

    grades: query_id, query, item_id, gain. Gives searches.COLUMNS; nobody is known who searched, and no time. What is
    drawn is a hash of seed, query, item and number of the search: the same wherever the rows lie.
    """
    top = grades.agg(F.max("gain")).first()
    highest = float(top[0] or 0.0) if top is not None else 0.0
    share = F.col("gain") / F.lit(highest) if highest > 0 else F.lit(0.0)
    texts = grades.groupBy("query_id").agg(F.min("query").alias("query"))
    pairs = judgements_of_grades(grades).join(texts, "query_id", how="inner").withColumn("share", share)
    often = model.searches * F.pow(-F.log(1 - _drawn(model.seed, "often", "query_id")), F.lit(model.spread))
    each = pairs.withColumn("number", F.explode(F.sequence(F.lit(1), F.greatest(F.lit(1), F.ceil(often).cast("int")))))
    pair, search = ("query_id", "item_id"), ("query_id", "item_id", "number")
    skilled = model.skill * F.col("share") + (1 - model.skill) * _drawn(model.seed, "pair", *pair)
    order = skilled + model.disorder * _normal(model.seed, *search)
    ranked = Window.partitionBy("query_id", "number").orderBy(F.col("order").desc(), "item_id")
    shown = (
        each.withColumn("order", order)
        .withColumn("rank", F.row_number().over(ranked))
        .where(F.col("rank") <= model.length)
    )
    looked = _drawn(model.seed, "look", *search) < F.pow("rank", F.lit(-model.decay))
    clicked = looked & (_drawn(model.seed, "click", *search) < click_chance(F.col("share"), model))
    bought = clicked & (_drawn(model.seed, "purchase", *search) < model.purchase * F.col("share"))
    nobody = {name: F.lit(None).cast("string") for name in ("user_id", "session_id")}
    return shown.withColumns(
        {
            **nobody,
            "event_time": F.lit(None).cast("timestamp"),
            "search_id": F.concat_ws("-", "query_id", "number"),
            "action": F.when(bought, "purchase").when(clicked, "click").otherwise("shown"),
        }
    ).select(*COLUMNS)


def click_chance(share: Column, model: ClickModel) -> Column:
    """The truth: how probably what is looked at is clicked. share: its gain, of the highest."""
    return model.noise + (model.click - model.noise) * share


def _drawn(seed: int, what: str, *names: str) -> Column:
    """A number from 0 up to 1, drawn by hash."""
    return F.pmod(F.xxhash64(F.lit(seed), F.lit(what), *names), F.lit(FRACTION)) / FRACTION


def _normal(seed: int, *names: str) -> Column:
    """A number of the standard normal distribution (Box and Muller 1958)."""
    radius = F.sqrt(-2 * F.log(1 - _drawn(seed, "radius", *names)))
    return radius * F.cos(2 * F.pi() * _drawn(seed, "angle", *names))
