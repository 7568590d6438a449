"""Overview: what the bridge reports of all its queues, for /healthz and /metrics."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.metrics_core import Metric

from bridge.health import Health
from bridge.logs import Redactor
from bridge.metrics import Metrics
from bridge.settings import Settings

# Of the process, and so the same for every queue.
PROCESS = "process_"


class Overview:
    """The health and the metrics of every queue, by its name.

    With one queue, both have the form that they always had. With several, every metric
    has the label `queue`, and /healthz has a report for each.
    """

    def __init__(self, redact: Redactor, settings: Settings) -> None:
        self.parts = {
            one.queue_name: (Health(redact, settings.secret_expires), Metrics())
            for one in settings.queues
        }
        if settings.secret_expires:
            for _, metrics in self.parts.values():
                metrics.set_secret_expiry(settings.secret_expires)

    def problem(self) -> str | None:
        """Why the bridge should be restarted; None if it should not.

        One queue that works is enough: a restart would interrupt it, and would not
        help one that is gone.
        """
        problems = {name: health.problem() for name, (health, _) in self.parts.items()}
        if None in problems.values():
            return None
        reasons = dict.fromkeys(problems.values())
        if len(reasons) == 1:
            return next(iter(reasons))
        return "; ".join(f"{name}: {reason}" for name, reason in problems.items())

    def report(self) -> dict[str, Any]:
        """The body of /healthz."""
        reports = {name: health.report() for name, (health, _) in self.parts.items()}
        if len(reports) == 1:
            return next(iter(reports.values()))
        ill = [name for name, report in reports.items() if report["reason"]]
        status = "degraded" if ill else "ok"
        return {
            "status": "unhealthy" if self.problem() else status,
            "reason": f"not healthy: {', '.join(ill)}" if ill else None,
            "queues": reports,
        }

    def totals(self) -> Counter[str]:
        """The counters of all queues together."""
        return sum((metrics.totals for _, metrics in self.parts.values()), Counter())

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        for health, metrics in self.parts.values():
            metrics.healthy.set(health.problem() is None)
        if len(self.parts) == 1:
            [(_, metrics)] = self.parts.values()
            return metrics.exposition()
        return generate_latest(self)

    def collect(self) -> Iterator[Metric]:
        """The metrics of all queues, each with the name of its queue."""
        merged: dict[str, Metric] = {}
        for queue, (_, metrics) in self.parts.items():
            for one in metrics.registry.collect():
                if one.name.startswith(PROCESS):
                    merged.setdefault(one.name, one)
                    continue
                new = Metric(one.name, one.documentation, one.type, one.unit)
                known = merged.setdefault(one.name, new)
                known.samples += [
                    sample._replace(labels={"queue": queue, **sample.labels})
                    for sample in one.samples
                ]
        yield from merged.values()
