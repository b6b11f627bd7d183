"""Personal data in queries, by rule: mail addresses, telephone, card and order numbers, and a shop's own patterns."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

MAIL = re.compile(r"[\w.+%-]{1,64} ?@ ?[\w-]{1,63}(?: ?\. ?[\w-]{1,63}){1,4}")
# With a country's code, in any groups; from a national 0 on; three, three and four digits of North America.
TELEPHONE = re.compile(
    r"(?<![\w.])(?:\+|00)\d(?:[ ./()-]{0,2}\d){6,13}(?!\d)"
    r"|(?<![\w./])\(?0\d{1,4}\)?[ /-]{1,2}\d{3,4}(?:[ -]?\d{2,4}){1,2}(?![\w.])"
    r"|(?<![\w./])0\d(?:[ .]\d\d){4}(?![\w.])"
    r"|(?<![\w./])(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w/])"
)
CARD = re.compile(r"(?<![\d.])(?:\d{13,19}|\d{4}(?:[ -]\d{4}){3}(?:[ -]?\d{1,3})?|\d{4}[ -]\d{6}[ -]\d{5})(?![\d.])")
MAIL_NAME, TELEPHONE_NAME, CARD_NAME, NUMBER_NAME = "mail address", "telephone number", "card number", "long number"


class Personal(NamedTuple):
    """Rules of what is personal: name -> pattern, in the order in which they are tried."""

    rules: Mapping[str, re.Pattern[str]]

    def matches(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Name each place of a readable text (small letters, digits 0 to 9) that is personal: rule, start, end."""
        for name, pattern in self.rules.items():
            for match in pattern.finditer(text):
                if match[0] and (name != CARD_NAME or luhn(match[0])):
                    yield name, match.start(), match.end()

    def masked(self, text: str) -> tuple[str, list[str]]:
        """Put the rule's name in place of each match; gives the names of the rules, too."""
        names: list[str] = []
        for name, pattern in self.rules.items():

            def hide(match: re.Match[str], name: str = name) -> str:
                if not match[0] or (name == CARD_NAME and not luhn(match[0])):
                    return match[0]
                names.append(name)
                return f"[{name}]"

            text = pattern.sub(hide, text)
        return text, list(dict.fromkeys(names))


def personal(patterns: Mapping[str, str], max_digits: int) -> Personal:
    """Make the rules: ours, and a shop's patterns. max_digits: more in a row are a telephone or an order number."""
    own = {name: re.compile(pattern) for name, pattern in patterns.items()}
    number = re.compile(rf"\d{{{max_digits + 1},}}")
    return Personal({MAIL_NAME: MAIL, **own, CARD_NAME: CARD, TELEPHONE_NAME: TELEPHONE, NUMBER_NAME: number})


def luhn(number: str) -> bool:
    """Say whether the last digit checks the others, as on a payment card (ISO/IEC 7812-1)."""
    digits = [int(digit) for digit in reversed(number) if digit.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
