"""Settlement: the actions of a half-hour in order of price, and the system price."""

from dataclasses import dataclass
from functools import lru_cache

from local.simulator.market.acceptances import Acceptance, acceptances
from local.simulator.market.chance import between, draw, happens
from local.simulator.market.prices import index_price

# The price is the mean of the most expensive MWh that is left after netting.
PRICED_MWH = 1.0
_ADJUSTED_SHARE = 0.3
_MOST_ADJUSTMENTS = 3
_PARTIES = ("EASTFLEX", "NORTHSTOR", "GRIDAID")
_SERVICES = ("STOR", "Trade", "SO-SO trade")


@dataclass(frozen=True)
class Adjustment:
    """A balancing service outside the mechanism (DISBSAD).

    Attributes:
        number: Of the half-hour's adjustments, from 1.
        volume: MWh; below 0 if energy was sold.
        price: GBP/MWh.
        system: Whether it solves a constraint.
    """

    number: int
    volume: float
    price: float
    system: bool
    party: str
    service: str


Action = Acceptance | Adjustment


@dataclass(frozen=True)
class StackItem:
    """An action in the stack of a half-hour.

    Attributes:
        action: What it is.
        netted: MWh that are left after the other side is taken off.
        priced: MWh of it that set the price.
    """

    action: Action
    netted: float
    priced: float


@dataclass(frozen=True)
class Settlement:
    """What a half-hour comes to.

    Attributes:
        price: GBP/MWh, for buying and selling.
        imbalance: MWh; above 0 if the system was short.
        derivation: N if actions set the price, P if the market index did.
        stack: Bids and offers, each from the first that is taken.
    """

    price: float
    imbalance: float
    derivation: str
    stack: tuple[StackItem, ...]


@lru_cache(maxsize=200)
def adjustments(seed: int, number: int) -> tuple[Adjustment, ...]:
    """The adjustments of a half-hour; usually none."""
    if not happens(seed, "adjusted", number, _ADJUSTED_SHARE):
        return ()
    count = 1 + int(_MOST_ADJUSTMENTS * draw(seed, "adjustments", number))
    return tuple(_adjustment(seed, number, one) for one in range(1, count + 1))


@lru_cache(maxsize=200)
def settlement(seed: int, number: int) -> Settlement:
    """The settlement of a half-hour."""
    actions: list[Action] = [*acceptances(seed, number), *adjustments(seed, number)]
    net = sum(action.volume for action in actions)
    side = [a for a in actions if a.volume * net > 0]
    side.sort(key=lambda a: a.price if net > 0 else -a.price)
    netted = _netted(side, abs(net))
    priced = _priced(netted, net)
    total = sum(priced.values())
    if total:
        price = sum(a.price * mwh for a, mwh in priced.items()) / total
    else:
        price = index_price(seed, number)
    sign = 1 if net > 0 else -1
    stack = [
        StackItem(a, sign * netted.get(a, 0.0), sign * priced.get(a, 0.0))
        for a in sorted(actions, key=lambda a: (a.volume < 0, a.price * _sign(a)))
    ]
    return Settlement(
        round(price, 2), round(net, 3), "N" if total else "P", tuple(stack)
    )


def _sign(action: Action) -> int:
    return 1 if action.volume > 0 else -1


def _netted(side: list[Action], left: float) -> dict[Action, float]:
    """The volume of each action, MWh, that is left: the cheapest stay."""
    netted: dict[Action, float] = {}
    for action in side:
        netted[action] = min(abs(action.volume), left)
        left -= netted[action]
    return netted


def _priced(netted: dict[Action, float], net: float) -> dict[Action, float]:
    """The most expensive MWh of those that no constraint caused."""
    left, priced = PRICED_MWH, dict[Action, float]()
    for action in sorted(netted, key=lambda a: -a.price if net > 0 else a.price):
        if not action.system and netted[action] > 0 and left > 0:
            priced[action] = min(netted[action], left)
            left -= priced[action]
    return priced


def _adjustment(seed: int, number: int, one: int) -> Adjustment:
    key = number * 10 + one
    volume = between(seed, "adjusted MWh", key, -30, 40)
    index = index_price(seed, number)
    away = between(seed, "adjusted price", key, 2, 25)
    service = _SERVICES[int(len(_SERVICES) * draw(seed, "service", key))]
    return Adjustment(
        one,
        round(volume, 1) or 0.5,
        round(index + away if volume > 0 else index - away, 2),
        service == "SO-SO trade",
        _PARTIES[int(len(_PARTIES) * draw(seed, "party", key))],
        service,
    )
