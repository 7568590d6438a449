"""Bid and offer: the side of a row, where one thing has a row of each side.

What decides, in this order:

1. A field of another name that says it: `_direction` of a historic table, which holds
   the side of the API's path, or one that IRIS sends and the registry does not know.
   Both are in `extra`.
2. The name of the message, for an answer of the API that a user saved by path:
   `BOAV/offer_2026-05-06.json`.
3. The column that the registry names. The volume of a bid is below zero, that of an
   offer above, in any pair: an offer that undoes a bid is in a negative pair. The sign
   of money says who pays, so a cashflow belongs to the side of its pairs.
4. If all its numbers are zero, the pairs that have a number.

A row in which both sides have values, or neither, has no side: it is a thing of its own
beside a bid row and an offer row. It replaces neither, because the two sides of a
calculation may come at different times.
"""

from pipeline.registry import Dataset
from sql.templates import quoted

# Loaders and the API write bid, BID, Bids or B.
_MARKER = r'(?i)"_?(?:direction|bid_?offer\w*|side)"\s*:\s*"(b|o)(?:ids?|ffers?)?"'
_NAMED = [rf"(?i)(?:^|[^a-z]){word}s?(?:[^a-z]|$)" for word in ("bid", "offer")]
_ABOVE_ZERO = r"[0.]*[1-9]"
_MONEY = "GBP"
_BID, _OFFER = "'bid'", "'offer'"


def bid_or_offer(dataset: Dataset) -> str | None:
    """The side of a row as SQL: 'bid', 'offer', or NULL for a row without a side.

    It reads columns of the dataset, `extra` and `message_id`, and so works in its
    `_iris` table and in its views.

    Returns:
        None if the dataset has no sides.
    """
    if dataset.bid_offer is None:
        return None
    column = dataset.column(dataset.bid_offer)
    if column.type != "RECORD":
        name = quoted(column.name)
        by_value = [(f"{name} < 0", _BID), (f"{name} > 0", _OFFER)]
    else:
        by_value = _of_pairs(column.name, is_money=not is_certain(dataset))
    bid, offer = (f"REGEXP_CONTAINS(message_id, r'{each}')" for each in _NAMED)
    named = [(_one(bid, offer), _BID), (_one(offer, bid), _OFFER)]
    marked = f"LOWER(REGEXP_EXTRACT(extra, r'{_MARKER}'))"
    return (
        f"COALESCE(CASE {marked} WHEN 'b' THEN {_BID} WHEN 'o' THEN {_OFFER} END, "
        f"{_case([*named, *by_value])})"
    )


def is_certain(dataset: Dataset) -> bool:
    """Whether a row with values on one side is certainly of that side.

    The cashflow of an offer that undoes a bid looks like that of a bid.
    """
    name = dataset.bid_offer
    return name is None or dataset.column(name).unit != _MONEY


def _of_pairs(name: str, *, is_money: bool) -> list[tuple[str, str]]:
    """The conditions for the pairs of a RECORD, as its JSON shows them."""
    pairs = f"TO_JSON_STRING({quoted(name)})"

    def has(number: str) -> str:
        return f"REGEXP_CONTAINS({pairs}, r'\"{number}')"

    if is_money:
        bid = has(rf'negative\d+":-?{_ABOVE_ZERO}')
        offer = has(rf'positive\d+":-?{_ABOVE_ZERO}')
    else:
        bid = has(rf'\w+":-{_ABOVE_ZERO}')
        offer = has(rf'\w+":{_ABOVE_ZERO}')
    negative, positive = has(r'negative\d+":[-\d]'), has(r'positive\d+":[-\d]')
    return [
        (f"{bid} AND {offer}", "NULL"),
        (bid, _BID),
        (offer, _OFFER),
        (_one(negative, positive), _BID),
        (_one(positive, negative), _OFFER),
    ]


def _one(this: str, other: str) -> str:
    return f"{this} AND NOT {other}"


def _case(choices: list[tuple[str, str]]) -> str:
    whens = [f"WHEN {condition} THEN {side}" for condition, side in choices]
    return f"CASE {' '.join(whens)} END"
