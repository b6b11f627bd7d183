"""Reads the catalogue of a night's source, and what it says of users."""

from collections.abc import Callable

from pyspark.sql import DataFrame

from recaug.clickstream.days import Days
from recaug.clickstream.failures import reading
from recaug.clickstream.items import catalogue
from recaug.clickstream.listing import Listing, Named, list_files
from recaug.clickstream.people import user_attributes
from recaug.clickstream.positions import number_rows
from recaug.clickstream.source import read_source
from recaug.config import Source
from recaug.config.dated import is_dated
from recaug.lake.tombstones import without_erased
from recaug.night.context import Context

ITEMS, USERS = "source.items", "source.users"


def read_items(context: Context) -> DataFrame | None:
    """Read the catalogue of the items source, persisted; None without one."""
    source = context.config.source.items
    return None if source is None else _read(context, source, ITEMS, lambda rows: catalogue(rows, source))


def read_users(context: Context) -> DataFrame | None:
    """Read what the users source says of users, erased ones left out, persisted; None without one."""
    source = context.config.source.users
    if source is None:
        return None
    return _read(context, source, USERS, lambda rows: without_erased(context.lake, user_attributes(rows, source)))


def _read(context: Context, source: Source, key: str, make: Callable[[DataFrame], DataFrame]) -> DataFrame:
    with reading(source, key):
        made = make(number_rows(read_source(context.spark, source, key, _newest(context, source, key)))).persist()
        made.count()
    return made


def _newest(context: Context, source: Source, key: str) -> Listing | None:
    """List a source's files of the last day up to the night, where its path names days."""
    listing = up_to_the_night(context, source, key)
    if listing is None:
        return None
    newest = max(file.day for file in listing.files if file.day is not None)
    return Listing([file for file in listing.files if file.day == newest])


def up_to_the_night(context: Context, source: Source, key: str) -> Listing | None:
    """List a source's files of the days up to the night, where its path names days; None: all there are."""
    if not is_dated(source.path):
        return None
    return Listing(list_files(context.spark, source, str(source.path), key, Named(Days(None, context.date))))
