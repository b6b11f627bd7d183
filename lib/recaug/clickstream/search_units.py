"""Numbers and units of measure in one spelling: `2"x4"` is `2 in x 4 in`, `12 volts` is `12 v`."""

import re
from collections.abc import Mapping


def _length(spelling: tuple[str, str]) -> int:
    return -len(spelling[0])


# Our spelling -> others that stand behind a number, in small letters; the first is the international one.
UNITS: Mapping[str, tuple[str, ...]] = {
    "mm": ("millimeters?", "millimetres?"),
    "cm": ("centimeters?", "centimetres?"),
    "m": ("meters?", "metres?"),
    "km": ("kilometers?", "kilometres?"),
    "in": ("inch", "inches", "zoll"),
    "ft": ("foot", "feet"),
    "yd": ("yds?", "yards?"),
    "sq ft": (r"sq\.? ?ft", r"sq\.? ?feet", "square ?f(?:ee|oo)t", "sqft"),
    "sq m": (r"sq\.? ?m", "square ?met(?:er|re)s?", "m2", "qm"),
    "cu ft": (r"cu\.? ?ft", r"cu\.? ?feet", "cubic ?f(?:ee|oo)t"),
    "mg": ("milligrams?",),
    "g": ("grams?", "grammes?"),
    "kg": ("kgs", "kilos?", "kilograms?"),
    "oz": ("ounces?",),
    "fl oz": (r"fl\.? ?oz", "fluid ?ounces?"),
    "lb": ("lbs", "pounds?"),
    "ml": ("milliliters?", "millilitres?"),
    "cl": ("centiliters?", "centilitres?"),
    "l": ("liters?", "litres?"),
    "gal": ("gals", "gallons?"),
    "qt": ("qts", "quarts?"),
    "pt": ("pints?",),
    "v": ("volts?",),
    "w": ("watts?",),
    "kw": ("kilowatts?",),
    "amp": ("amps", "amperes?"),
    "hp": ("horsepower",),
    "hz": ("hertz",),
    "mah": (),
    "mb": ("megabytes?",),
    "gb": ("gigabytes?",),
    "tb": ("terabytes?",),
    "psi": (),
    "rpm": (),
    "btu": ("btus",),
    "deg": ("degrees?", "°"),
    "ct": ("count",),
    "pack": ("pk", "packs", "pcs?", "pieces?"),
}
# Joined to a single digit, these are a name or a rating more often than a measure: 3m, 5g.
SHORT = ("m", "g")

LETTER = r"a-z\u00df-\u024f\u0370-\u052f"  # of scripts that part words: what no unit goes on with
NUMBER = r"\d+(?:[./]\d+)?"
SPELT = sorted(((spelling, name) for name, others in UNITS.items() for spelling in (name, *others)), key=_length)
OF_GROUP = {f"unit{place}": name for place, (_, name) in enumerate(SPELT)}
UNIT = "|".join(f"(?P<unit{place}>{spelling})" for place, (spelling, _) in enumerate(SPELT))
OURS = "|".join(sorted(UNITS, key=len, reverse=True))
MEASURE = re.compile(rf"(?<![{LETTER}\d.,/])({NUMBER})([ -]*)(?:{UNIT})\.?(?:(?=x\.?\d)|(?![{LETTER}\d]))")
INCHES = re.compile(rf"(?<!\d)({NUMBER}) ?(?:\"|'')")
FEET = re.compile(rf"(?<!\d)({NUMBER}) ?'(?:(?=x\.?\d)|(?![{LETTER}']))")
TIMES = re.compile(rf"(\d|\d (?:{OURS})) ?[x×*] ?(?=\.?\d)")
THOUSANDS = re.compile(r"(?<![\d,.])\d{1,3}(?:,\d{3})+(?![\d,])")
DECIMAL_COMMA = re.compile(r"(?<![\d,.])(\d+),(\d{1,2})(?![\d,.])")
MIXED = re.compile(r"(?<![\d/.])(\d+)[- ]+(?=\d+/\d+)")  # 1-1/2
POINT = re.compile(rf"(?<![{LETTER}\d.])\.(?=\d)")  # .5
STROKE = re.compile(r"(?<=\d) ?/ ?(?=\d)")


def with_units(text: str) -> str:
    """Write numbers and their units in one spelling; `text` is in small letters, with single spaces and digits 0 to 9.

    A unit counts behind a number alone. A comma is of thousands before three digits, else it is a decimal point.
    """
    if not any("0" <= sign <= "9" for sign in text):
        return text
    text = THOUSANDS.sub(lambda number: number[0].replace(",", ""), text)
    text = POINT.sub("0.", DECIMAL_COMMA.sub(r"\1.\2", text))
    text = MIXED.sub(r"\1 ", STROKE.sub("/", text))
    text = FEET.sub(r"\1 ft ", INCHES.sub(r"\1 in ", text))
    text = MEASURE.sub(_measure, text)
    return TIMES.sub(r"\1 x ", " ".join(text.split()))


def _measure(match: re.Match[str]) -> str:
    """A number, a space and the unit in our spelling."""
    number, gap, group = match[1], match[2], match.lastgroup or ""
    name = OF_GROUP[group]
    if not gap and name in SHORT and match[group] == name and len(number) == 1:
        return match[0]
    return f"{number} {name} "
