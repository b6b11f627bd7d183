"""How good the look-up of similar items is, as Markdown."""

from recaug.report import numbers
from recaug.results import LookUpWay, SimilarItems

SLICES = {
    "overall": "all",
    "warm": "of items with train events",
    "cold": "of items without any",
    "tail": "later item not of the head",
}


def markdown(found: SimilarItems) -> str:
    """Write the table: by way how often the item that a user had later is listed, and how far the latents lie above.

    Ends with what has no similar items, and why.
    """
    lines = []
    if found.ways:
        slices = [name for name in SLICES if any(name in way.hits for way in found.ways.values())]
        head = [f"hits@{found.k}, {SLICES[name]}" for name in slices]
        lines += [f"| way | {' | '.join([*head, 'latents above it'])} |", f"|{'---|' * (len(head) + 2)}"]
        lines += [f"| {name} | {' | '.join([*_cells(way, slices)])} |" for name, way in found.ways.items()]
        lines += ["", f"{found.pairs:,} held-out pairs of {found.users:,} users."]
    else:
        lines.append("No user has a held-out event after another item: nothing was measured.")
    if found.without_latent:
        lines.append(
            f"{found.without_latent:,} items came after the completion and have no similar ones yet; run "
            "jobs/complete_attributes.py again."
        )
    return "\n".join(lines) + "\n"


def _cells(way: LookUpWay, slices: list[str]) -> list[str]:
    return [*(numbers.interval(way.hits[name]) for name in slices), numbers.change(way.latents_above["overall"])]
