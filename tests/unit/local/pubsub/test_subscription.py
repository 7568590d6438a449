"""The queue of a subscription: no message lost, none twice, whatever happens to it."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from local.pubsub.message_store import MessageStore
from local.pubsub.subscription import MAX_RESPONSE_BYTES, Holder, SubscriptionQueue

NAME = "projects/p/subscriptions/s"
MAX_ATTEMPTS = 5
picks = st.lists(st.integers(min_value=0, max_value=1000), max_size=8)


def never(stored):
    return False


class QueueMachine(RuleBasedStateMachine):
    """Publishes, pulls, acknowledges, refuses, waits and restarts in any order."""

    def __init__(self):
        super().__init__()
        self.store = MessageStore(":memory:")
        self.queue = SubscriptionQueue(NAME, self.store)
        self.now = 0.0
        self.published = 0
        self.waiting = set()  # messages that nobody holds
        self.held = {}  # position: (message, deadline)
        self.ended = []  # positions of deliveries that are over
        self.acknowledged = set()
        self.dead = set()
        self.failures = {}  # message: failed deliveries

    def teardown(self):
        """Whatever happened, the rest can be delivered, once each."""
        self.expire(1000)
        for stored in self.queue.take(Holder(), 1000, self.now + 10):
            self.receive(stored, self.now + 10)
        self.acknowledge_held(list(self.held))
        assert self.queue.take(Holder(), 1000, self.now + 10) == []
        assert self.acknowledged | self.dead == set(range(self.published))
        self.store.close()

    def dead_letter(self, stored):
        if stored.attempt < MAX_ATTEMPTS:
            return False
        assert int(stored.message) not in self.acknowledged | self.dead
        self.dead.add(int(stored.message))
        return True

    def receive(self, stored, deadline):
        message = int(stored.message)
        assert message in self.waiting  # neither held, acknowledged nor dead
        assert stored.position not in self.ended
        assert stored.attempt == self.failures.get(message, 0) + 1
        self.waiting.remove(message)
        self.held[stored.position] = (message, deadline)

    def acknowledge_held(self, positions):
        self.queue.acknowledge(positions)
        for position in positions:
            self.acknowledged.add(self.held.pop(position)[0])
            self.ended.append(position)

    def fail(self, positions):
        for position in positions:
            message, _ = self.held.pop(position)
            self.ended.append(position)
            self.failures[message] = self.failures.get(message, 0) + 1
            if message not in self.dead:
                self.waiting.add(message)

    def picked(self, indexes):
        held = list(self.held)
        return sorted({held[index % len(held)] for index in indexes if held})

    @rule(count=st.integers(min_value=1, max_value=5))
    def publish(self, count):
        new = range(self.published, self.published + count)
        self.store.append(NAME, (b"%d" % message for message in new), 0)
        self.waiting.update(new)
        self.published += count

    @rule(
        limit=st.integers(min_value=1, max_value=5),
        flow=st.integers(min_value=0, max_value=4),
        seconds=st.integers(min_value=1, max_value=20),
    )
    def pull(self, limit, flow, seconds):
        waiting = len(self.waiting)
        taken = self.queue.take(Holder(flow), limit, self.now + seconds)
        assert len(taken) == min(limit, flow or limit, waiting)
        for stored in taken:
            self.receive(stored, self.now + seconds)

    @rule(indexes=picks)
    def acknowledge(self, indexes):
        self.acknowledge_held(self.picked(indexes))

    @rule(indexes=picks)
    def refuse(self, indexes):
        positions = self.picked(indexes)
        self.queue.give_back(positions, self.dead_letter)
        self.fail(positions)

    @rule(indexes=picks, seconds=st.integers(min_value=1, max_value=20))
    def extend(self, indexes, seconds):
        positions = self.picked(indexes)
        self.queue.extend(positions, self.now + seconds)
        for position in positions:
            self.held[position] = (self.held[position][0], self.now + seconds)

    @rule(indexes=picks)
    def come_too_late(self, indexes):
        late = [self.ended[i % len(self.ended)] for i in indexes if self.ended]
        self.queue.acknowledge(late)
        self.queue.extend(late, self.now + 100)
        self.queue.give_back(late, self.dead_letter)

    @rule(seconds=st.integers(min_value=0, max_value=15))
    def expire(self, seconds):
        self.now += seconds
        expired = self.queue.expired(self.now)
        due = [at for at, (_, deadline) in self.held.items() if deadline <= self.now]
        assert sorted(expired) == sorted(due)
        self.queue.give_back(expired, self.dead_letter)
        self.fail(expired)

    @rule(indexes=picks)
    def restart(self, indexes):
        """A new process forgets the leases; acknowledgements may still come."""
        survivors = self.picked(indexes)
        self.queue = SubscriptionQueue(NAME, self.store)
        self.waiting.update(
            message for at, (message, _) in self.held.items() if at not in survivors
        )
        self.held = {at: self.held[at] for at in survivors}
        self.acknowledge_held(survivors)

    @invariant()
    def knows_when_to_look(self):
        deadlines = [deadline for _, deadline in self.held.values()]
        assert self.queue.next_deadline() == min(deadlines, default=None)


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


@pytest.fixture
def store():
    store = MessageStore(":memory:")
    yield store
    store.close()


def test_response_is_bounded_in_bytes_but_never_empty(store):
    huge, large = b"x" * 9_000_000, b"x" * 1_500_000
    store.append(NAME, [huge, large, large, large], 0)
    queue = SubscriptionQueue(NAME, store)
    sizes = [[len(s.message) for s in queue.take(Holder(), 100, 1)] for _ in range(4)]
    assert sizes == [[9_000_000], [1_500_000] * 2, [1_500_000], []]
    assert sum(sizes[1]) < MAX_RESPONSE_BYTES


def test_holder_is_bounded_in_bytes_but_may_hold_one_message(store):
    store.append(NAME, [b"x" * 600] * 3, 0)
    queue = SubscriptionQueue(NAME, store)
    holder = Holder(max_bytes=500)
    for _ in range(3):
        [stored] = queue.take(holder, 10, 1)
        assert queue.take(holder, 10, 1) == []
        queue.acknowledge([stored.position])
    assert (holder.messages, holder.bytes) == (0, 0)


def test_failed_message_does_not_hold_up_the_others(store):
    store.append(NAME, [b"bad", b"good"], 0)
    queue = SubscriptionQueue(NAME, store)
    [bad] = queue.take(Holder(), 1, 1)
    queue.give_back([bad.position], never)
    assert [s.message for s in queue.take(Holder(), 10, 1)] == [b"good", b"bad"]


def test_subscriptions_leave_each_other_alone(store):
    other = NAME + "-other"
    for name in (NAME, other):
        store.append(name, [b"both"], 0)
    [stored] = SubscriptionQueue(NAME, store).take(Holder(), 1, 1)
    stranger = SubscriptionQueue(other, store)
    stranger.give_back([stored.position], never)
    stranger.acknowledge([stored.position])
    assert SubscriptionQueue(NAME, store).take(Holder(), 1, 1) == [stored]


def test_position_is_never_used_again(store):
    """Or an acknowledgement of old could take a new message away."""
    queue = SubscriptionQueue(NAME, store)
    seen = set()
    for _ in range(3):
        store.append(NAME, [b"x"], 0)
        [stored] = queue.take(Holder(), 10, 1)
        queue.acknowledge([stored.position])
        seen.add(stored.position)
    assert len(seen) == 3
