"""Section source.search is a log or judgements, and says what it lacks; without source.events a study of it runs."""

from typing import Any

import pytest

from recaug.config import Config, convert, load
from recaug.errors import ConfigError

HOME_DEPOT = "conf/bench/search_homedepot.yaml"
JUDGED = {"query": "q", "item_id": "item", "gain": "grade"}
LOG = {"query": "q", "item_id": "item", "action": "what"}


def config(columns: dict[str, str] = LOG, prepare: dict[str, Any] | None = None, **search: Any) -> Config:
    files = {"path": "a.csv", "format": "csv"}
    source = {"items": files | {"item_id": "item", "title": "name"}, "search": files | {"columns": columns} | search}
    return convert({"artifacts": "a", "lake": {"path": "l"}, "source": source, "prepare": {"search": prepare or {}}})


def test_a_shop_that_has_judgements_alone_has_no_events() -> None:
    made = load(HOME_DEPOT)
    assert made.source.search is not None
    assert made.source.search.graded
    assert made.source.time_zone == "UTC"
    with pytest.raises(ConfigError, match=r"source\.events is not set"):
        _ = made.source.events
    assert len(made.hash) == 16
    assert "events: null" in made.written()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"columns": {"query": "q"}}, "columns lacks item_id"),
        ({"columns": JUDGED | {"rank": "place"}}, "columns has gain, of graded judgements, and rank, of a log"),
        ({"columns": JUDGED, "actions": {"x": "click"}}, "actions needs columns.action"),
        ({"actions": {"x": "look"}}, "Invalid enum value 'look'"),
        ({"click_model": {}}, "click_model makes a log of graded judgements"),
        ({"columns": JUDGED, "click_model": {"noise": 0.7}}, "noise 0.7 is not below click 0.6"),
        ({"event_actions": {"view": "click"}}, "event_actions needs columns"),
        ({"time_zone": "Berlin"}, "time_zone Berlin is none of IANA's names"),
        ({"personal_patterns": {"order": "ord-("}}, r"personal_patterns: order: ord-\( is no regular expression"),
        ({"prepare": {"split": "time"}}, "split time needs source.search.columns.event_time"),
        ({"prepare": {"validation_share": 0.5, "test_share": 0.5}}, "leave nothing to learn from"),
    ],
)
def test_what_it_lacks_or_has_too_much_of_is_said(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        config(**keys)


def test_event_actions_are_of_events() -> None:
    columns = LOG | {"user_id": "who", "event_time": "at"}
    with pytest.raises(ValueError, match="event_actions are types of source.events; set it"):
        config(columns, event_actions={"view": "click"})


def test_a_source_is_one_at_least() -> None:
    with pytest.raises(ValueError, match="source has neither events nor search"):
        convert({"artifacts": "a", "lake": {"path": "l"}, "source": {}})


def test_where_the_searches_lie_decides_nothing() -> None:
    assert config().hash == config(path="b.csv").hash != config(max_digits=14).hash
