"""Reads the catalogue of a night's source."""

from pyspark.sql import DataFrame

from recaug.clickstream.days import Days
from recaug.clickstream.failures import reading
from recaug.clickstream.items import catalogue
from recaug.clickstream.listing import Listing, Named, list_files
from recaug.clickstream.positions import number_rows
from recaug.clickstream.source import read_source
from recaug.config import Source
from recaug.config.dated import is_dated
from recaug.night.context import Context

KEY = "source.items"


def read_items(context: Context) -> DataFrame | None:
    """Read the catalogue of the items source, persisted; None without one."""
    source = context.config.source.items
    if source is None:
        return None
    with reading(source, KEY):
        rows = read_source(context.spark, source, KEY, _newest(context, source))
        items = catalogue(number_rows(rows), source).persist()
        items.count()
    return items


def _newest(context: Context, source: Source) -> Listing | None:
    """List the catalogue's files of the last day up to the night, where its path names days."""
    listing = up_to_the_night(context, source, KEY)
    if listing is None:
        return None
    newest = max(file.day for file in listing.files if file.day is not None)
    return Listing([file for file in listing.files if file.day == newest])


def up_to_the_night(context: Context, source: Source, key: str) -> Listing | None:
    """List a source's files of the days up to the night, where its path names days; None: all there are."""
    if not is_dated(source.path):
        return None
    return Listing(list_files(context.spark, source, str(source.path), key, Named(Days(None, context.date))))
