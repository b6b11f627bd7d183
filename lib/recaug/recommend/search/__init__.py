"""Rankers of search: each scores every item of the catalogue for a query, block by block."""
