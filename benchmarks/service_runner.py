"""A runner with a service's bundles: of one element, and time that is simulated.

Beam's DirectRunner runs a stream, too, but not this one. After every step it looks at
the timers of every key. A message took it a quarter of a second, and more with more
keys. It also runs each step alone, which a service does not.

This is Beam's FnApiRunner with a scheduler of its own: its stages are fused, DoFns run
in Beam's worker, and that worker's state is kept. What is different:

- A step that keeps state begins a stage: a service shuffles by key before it.
- Every element of the source is a bundle.
- What a bundle hands on reaches the next stage as a bundle, or as one for each key if
  that stage keeps state.
- Timers fire by a clock that stands still while DoFns run.
- The watermark follows the clock after `LAG_SECONDS`. No element holds it back.

It is single-threaded, retries nothing, and has no GroupByKey and no side inputs.
"""

import heapq
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, NamedTuple
from unittest.mock import patch

import apache_beam as beam
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import (
    execution,
    translations,
    worker_handlers,
)
from apache_beam.runners.portability.fn_api_runner.fn_runner import (
    ExtendedProvisionInfo,
    FnApiRunner,
)
from apache_beam.runners.runner import PipelineResult, PipelineState
from apache_beam.runners.worker import statesampler
from apache_beam.transforms.window import GlobalWindows, TimestampedValue

LAG_SECONDS = 10.0
PROCESSING_TIME = beam_runner_api_pb2.TimeDomain.PROCESSING_TIME
# The simulated time, in seconds since the epoch. DoFns run in this process.
_now = [0.0]
_elements: list[Any] = []


class Arrival(NamedTuple):
    """An element of the source.

    Attributes:
        at: When it arrives, in seconds since the epoch; this is its time, too.
        element: The element.
    """

    at: float
    element: Any


def now() -> float:
    """The clock of this runner, for DoFns."""
    return _now[0]


class Arrivals(beam.PTransform):  # type: ignore[misc]
    """The elements that the runner was made with.

    Args:
        element_type: Their type.
    """

    def __init__(self, element_type: type) -> None:
        super().__init__()
        self.element_type = element_type

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection:
        take = beam.Map(_arrived).with_output_types(self.element_type)
        return begin | beam.Impulse() | "Take" >> take


def _arrived(number: bytes) -> Any:
    return TimestampedValue(_elements[int(number)], now())


class _Bundle(NamedTuple):
    """What a stage is to process.

    Attributes:
        stage: Its name.
        read: The step of the stage that reads `data`; None for a timer alone.
        data: Encoded elements.
        timers: Encoded timers, by step and timer.
    """

    stage: str
    read: str | None
    data: list[bytes]
    timers: dict[tuple[str, str], list[bytes]]


class BundlesOfOne(FnApiRunner):  # type: ignore[misc]
    """Runs a pipeline that reads `Arrivals`, until some time after the last of them.

    Args:
        arrivals: The elements, in order of time.
        until: When it ends, in seconds since the epoch. Timers after it do not fire.
    """

    def __init__(self, arrivals: Sequence[Arrival], until: float) -> None:
        super().__init__()
        self.arrivals = arrivals
        self.until = until

    def create_stages(self, pipeline_proto: Any) -> Any:
        """Fuses steps, but begins a stage at each that keeps state.

        A service shuffles by key before such a step; FnApiRunner fuses it, too.
        """
        optimize = translations.create_and_optimize_stages

        def with_roots(proto: Any, phases: list[Any], **options: Any) -> Any:
            phases = [translations.annotate_stateful_dofns_as_roots, *phases]
            return optimize(proto, phases, **options)

        with patch.object(translations, "create_and_optimize_stages", with_roots):
            return super().create_stages(pipeline_proto)

    def run_stages(self, stage_context: Any, stages: Any) -> "_Result":
        workers = worker_handlers.WorkerHandlerManager(
            stage_context.components.environments, ExtendedProvisionInfo()
        )
        _elements[:] = [each.element for each in self.arrivals]
        try:
            context = execution.FnApiRunnerExecutionContext(
                stages,
                workers,
                stage_context.components,
                stage_context.safe_coders,
                stage_context.data_channel_coders,
                num_workers=1,
            )
            with _light():
                context.setup()
                _Run(self, context).run(self.arrivals, self.until)
        finally:
            workers.close_all()
            _elements.clear()
        return _Result(PipelineState.DONE)


@contextmanager
def _light() -> Iterator[None]:
    """Leaves out what takes most of the time of a small bundle.

    That is weighing what is in the cache of state, and a thread for each bundle that
    samples how long its steps take.
    """
    with (
        patch.object(worker_handlers, "STATE_CACHE_SIZE_MB", 0),
        patch.object(statesampler.StateSampler, "start", _start_unsampled),
    ):
        yield


def _start_unsampled(sampler: statesampler.StateSampler) -> None:
    sampler.tracked_thread = threading.current_thread()
    statesampler.set_current_tracker(sampler)


class _Result(PipelineResult):  # type: ignore[misc]
    """That of a pipeline that has ended."""

    def wait_until_finish(self, duration: int | None = None) -> str:
        state: str = self.state
        return state


class _Run:
    """One run: bundles that are ready, and timers that are set."""

    def __init__(self, runner: FnApiRunner, context: Any) -> None:
        self.runner = runner
        self.context = context
        self.ready: deque[_Bundle] = deque()
        # By identity, and each domain's by time. A timer that is set again or cleared
        # stays in the heap, and is recognised by its number.
        self.set: dict[Any, int] = {}
        self.real: list[Any] = []
        self.event: list[Any] = []
        self.numbers = count()
        self.reads: dict[str, list[str]] = defaultdict(list)
        for pairs in context.buffer_id_to_consumer_pairs.values():
            for stage, read in pairs:
                self.reads[stage].append(read)
        (self.source, data_input) = context.queues.ready_inputs.deque()
        (self.source_read,) = data_input.data
        self.reads[self.source] = [self.source_read]

    def run(self, arrivals: Sequence[Arrival], until: float) -> None:
        coder = self._manager(self.source).get_input_coder_impl(self.source_read)
        for number, arrival in enumerate(arrivals):
            self._advance(arrival.at)
            value = GlobalWindows.windowed_value(str(number).encode())
            data = [coder.encode_nested(value)]
            self.ready.append(_Bundle(self.source, self.source_read, data, {}))
            self._settle()
        self._advance(until)

    def _advance(self, until: float) -> None:
        """Lets the time pass, with every timer at its own time."""
        while due := self._next_due(until):
            at, timers = due
            _now[0] = max(_now[0], at)
            _, _, identity, bundle = heapq.heappop(timers)
            del self.set[identity]
            self.ready.append(bundle)
            self._settle()
        _now[0] = until

    def _next_due(self, until: float) -> tuple[float, list[Any]] | None:
        found = []
        for timers, lag in ((self.real, 0.0), (self.event, LAG_SECONDS)):
            while timers and self.set.get(timers[0][2]) != timers[0][1]:
                heapq.heappop(timers)
            if timers and timers[0][0] + lag <= until:
                found.append((timers[0][0] + lag, timers))
        return min(found, key=lambda each: each[0], default=None)

    def _settle(self) -> None:
        while self.ready:
            self._process(self.ready.popleft())

    def _manager(self, stage: str) -> Any:
        manager = self.context.bundle_manager_for(self.context.stages[stage])
        self.context.worker_handler_manager.register_process_bundle_descriptor(
            manager.process_bundle_descriptor
        )
        return manager

    def _process(self, bundle: _Bundle) -> None:
        manager = self._manager(bundle.stage)
        inputs: dict[str, Any] = {read: [] for read in self.reads[bundle.stage]}
        if bundle.read:
            inputs[bundle.read] = bundle.data
        self.runner._get_bundle_manager(manager).process_bundle(
            inputs,
            manager.stage_data_outputs,
            bundle.timers,
            manager.stage_timer_outputs,
        )
        self._keep_timers(bundle.stage, manager)
        self._hand_on(manager)

    def _hand_on(self, manager: Any) -> None:
        for buffer_id in manager.stage_data_outputs.values():
            buffer = self.context.pcoll_buffers.pop(buffer_id, None)
            data = [part for part in buffer or () if part]
            if not data:
                continue
            for stage, read in self.context.buffer_id_to_consumer_pairs[buffer_id]:
                for part in self._bundles(stage, read, data):
                    self.ready.append(_Bundle(stage, read, part, {}))

    def _bundles(
        self, stage: str, read: str, data: list[bytes]
    ) -> Iterator[list[bytes]]:
        if not self.context.stages[stage].is_stateful():
            yield data
            return
        coder = self._manager(stage).get_input_coder_impl(read)
        by_key: dict[Any, list[bytes]] = defaultdict(list)
        for element in coder.decode_all(b"".join(data)):
            by_key[element.value[0]].append(coder.encode_nested(element))
        yield from by_key.values()

    def _keep_timers(self, stage: str, manager: Any) -> None:
        for family, (buffer_id, domain) in manager.stage_timer_outputs.items():
            buffer = self.context.timer_buffers.pop(buffer_id, None)
            coder = manager.get_timer_coder_impl(*family)
            for part in buffer or ():
                for timer in coder.decode_all(part):
                    self._keep_timer(stage, family, domain, timer, coder)

    def _keep_timer(
        self, stage: str, family: Any, domain: Any, timer: Any, coder: Any
    ) -> None:
        where = (timer.user_key, timer.dynamic_timer_tag, timer.windows[0])
        identity = (stage, family, *where)
        if timer.clear_bit:
            self.set.pop(identity, None)
            return
        number = self.set[identity] = next(self.numbers)
        bundle = _Bundle(stage, None, [], {family: [coder.encode_nested(timer)]})
        timers = self.real if domain == PROCESSING_TIME else self.event
        at = float(timer.fire_timestamp)
        heapq.heappush(timers, (at, number, identity, bundle))
