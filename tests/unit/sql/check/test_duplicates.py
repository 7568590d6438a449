"""What the rows of a dataset are compared by, on real messages."""

import datetime as dt
from collections import defaultdict

import pytest

from pipeline.core.decoding import Message, decode
from pipeline.registry import load_registry
from sql.check.duplicates import compared

REGISTRY = load_registry()
NOW = dt.datetime(2026, 11, 28, tzinfo=dt.UTC)


def test_no_real_message_contradicts_itself(samples):
    for path in samples:
        each = compared(REGISTRY[path.parent.name])
        values = defaultdict(set)
        message = Message(path.read_bytes(), {"dataset": each.dataset.name})
        for record in decode(message, NOW).records:
            key = tuple(str(record.row.get(name)) for name in each.key)
            values[key].add(tuple(str(record.row.get(name)) for name in each.values))
        assert values
        assert [key for key, found in values.items() if len(found) > 1] == []


@pytest.mark.parametrize("dataset", REGISTRY.values(), ids=lambda d: d.name)
def test_what_the_api_lacks_is_no_difference(dataset):
    each = compared(dataset)
    assert not {"dataset", *dataset.api_absent} & set(each.values)
    assert set(dataset.natural_key) <= set(each.key)
    assert (each.side is None) == (dataset.bid_offer is None)
