"""`{date:%Y-%m-%d}` in a path: which files are of which day."""

import datetime as dt
import re

DATE = re.compile(r"\{date(?::([^{}]*))?\}")
ISO = "%Y-%m-%d"
DIGITS = {"Y": 4, "y": 2, "m": 2, "d": 2, "j": 3}
NOT_BY_DAY = {"delta", "binaryFile", "npz"}  # formats
WORDS = {"b", "B"}  # names of months
GLOB = re.compile(r"\\.|\[[^\]]*\]|\{[^{}]*\}|.", re.DOTALL)


def is_dated(path: str | None) -> bool:
    """Say whether a path holds a day."""
    return path is not None and DATE.search(path) is not None


def check_dated(path: str, layout: str | None) -> None:
    """Raise ValueError where what stands for a day does not say which, is called otherwise, or is of no such files.

    layout: the format.
    """
    if other := re.search(r"\{(?!date[:}])(\w+):%", path):
        raise ValueError(f"path {path} has {{{other[1]}:...}}; a day is written {{date:{ISO}}}")
    if not is_dated(path):
        return
    if layout in NOT_BY_DAY:
        raise ValueError(f"path {path} has {{date}}, which is of files of rows; {layout} has none")
    said = {directive for place in DATE.finditer(path) for directive in re.findall("%(.?)", _form(place))}
    if unknown := sorted(said - DIGITS.keys() - WORDS):
        raise ValueError(f"path {path} has %{unknown[0]} in {{date:...}}; what may stand there is %Y %y %m %d %j %b %B")
    if said.isdisjoint("Yy") or ("d" in said and said.isdisjoint({"m", *WORDS})):
        raise ValueError(f"path {path} does not say which day {{date:...}} is; write it such as {{date:{ISO}}}")


def named_after(path: str, day: dt.date) -> str:
    """Give the path, or glob, of a day."""
    return DATE.sub(lambda place: day.strftime(_form(place)), path)


def any_day(path: str) -> str:
    """Give the glob of all days."""

    def wild(directive: re.Match[str]) -> str:
        return "[0-9]" * DIGITS[directive[1]] if directive[1] in DIGITS else "*"

    return DATE.sub(lambda place: re.sub("%(.)", wild, _form(place)), path)


def day_of(path: str, name: str) -> dt.date | None:
    """Read the day from the name of a file or folder that any_day matches: the first of its month, if no day is said.

    None where there is no such day, as the 31st of a June.
    """
    first = DATE.search(path)
    assert first is not None
    tail = path[path.rfind("/", 0, first.start()) + 1 :].rstrip("/")
    seen: list[str] = []
    pattern, end = "", 0
    for place in DATE.finditer(tail):
        pattern += _of_glob(tail[end : place.start()]) + _of_form(_form(place), seen)
        end = place.end()
    match = re.search(f"(?:^|/){pattern}{_of_glob(tail[end:])}$", name)
    try:
        said = " ".join(match[directive] for directive in seen) if match else ""
        return dt.datetime.strptime(said, " ".join(f"%{directive}" for directive in seen)).date()
    except ValueError:
        return None


def _form(place: re.Match[str]) -> str:
    return place[1] or ISO


def _of_form(form: str, seen: list[str]) -> str:
    """Write a form as a regular expression with a group a directive; seen: gets those that are new."""
    pattern = ""
    for literal, directive in re.findall("([^%]+)|%(.)", form):
        if literal or directive in seen:
            pattern += re.escape(literal) if literal else f"(?P={directive})"
            continue
        seen.append(directive)
        pattern += rf"(?P<{directive}>\d{{{DIGITS[directive]}}})" if directive in DIGITS else f"(?P<{directive}>[^/]+?)"
    return pattern


def _of_glob(glob: str) -> str:
    """Write one of Hadoop's globs as a regular expression."""

    def of_token(token: str) -> str:
        match token[0]:
            case "*" | "?":
                return "[^/]*" if token == "*" else "[^/]"
            case "[" if len(token) > 1:
                return token.replace("[!", "[^", 1)
            case "{" if len(token) > 1:
                return f"(?:{'|'.join(map(_of_glob, token[1:-1].split(',')))})"
            case _:
                return re.escape(token[-1])

    return "".join(map(of_token, GLOB.findall(glob)))
