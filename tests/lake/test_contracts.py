"""What is said of a table holds for its columns."""

from recaug.lake.contracts import TABLES

# raw: a source's row as it was; query: what a user may have asked alone, and is named by.
OF_USERS = {"user_id", "user_index", "source_users", "raw", "query_id", "query_index", "source_queries"}
NOBODYS = "search_grades"  # queries that the shop has had judged, as its source gives them


def test_a_table_with_rows_of_users_says_how_they_are_erased() -> None:
    for name, table in TABLES.items():
        columns = {column.split()[0] for column in table.columns.split(", ")}
        assert (table.erased_by is not None) == (bool(columns & OF_USERS) and name != NOBODYS), name


def test_what_erases_asks_only_for_columns_that_the_table_has() -> None:
    for name, table in TABLES.items():
        columns = {column.split()[0] for column in table.columns.split(", ")}
        words = (table.erased_by or "").replace("(", " ").replace(",", " ").split()
        assert {word.removeprefix("t.") for word in words if word.startswith("t.")} <= columns, name
        if "source_users" in columns:
            assert table.erased_by is not None
            assert "source_users" in table.erased_by, name
