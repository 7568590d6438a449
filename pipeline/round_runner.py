"""Beam's runner of bounded graphs, for a graph that runs again and again."""

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.runners.runner import PipelineResult


class RoundRunner(FnApiRunner):
    """Translates a graph once, for all of its rounds.

    Beam does it at each run (findings/beam_run_again.sh): half of the processor time
    that a round of one message takes, and a sixth of a round of 5,000.
    """

    def __init__(self) -> None:
        super().__init__()
        self._graph: bytes | None = None

    def run_via_runner_api(
        self, pipeline_proto: beam_runner_api_pb2.Pipeline, options: PipelineOptions
    ) -> PipelineResult:
        self._graph = pipeline_proto.SerializeToString()
        return super().run_via_runner_api(pipeline_proto, options)

    def run_round(self, pipeline: beam.Pipeline) -> PipelineResult:
        """Runs a graph, always the same one; returns when it has ended.

        Its steps begin each round as they were at the first.
        """
        if self._graph is None:
            return pipeline.run()
        graph = beam_runner_api_pb2.Pipeline.FromString(self._graph)
        return super().run_via_runner_api(graph, pipeline.options)
