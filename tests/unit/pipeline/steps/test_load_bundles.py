"""Loading on many workers, whose runner may try a bundle again."""

import json

from pipeline.bigquery.loads import Loaded
from pipeline.bigquery.spool import Spool
from pipeline.core.batches import row_batch
from pipeline.core.decoding import Message, decode
from pipeline.steps.load_rows import LoadFiles


def test_a_bundle_that_is_tried_again_finds_its_files(tmp_path):
    record = {"measurementTime": "2026-05-08T00:00:00Z", "frequency": 50.5}
    body = json.dumps([record]).encode()
    message = Message(body, {"dataset": "FREQ", "message_id": "m"})
    spool = Spool(str(tmp_path))
    spool.add(row_batch(message, decode(message, "2026-05-08T00:00:01Z")))
    ((dataset, files),) = spool.rest().items()

    def loader(given):
        for files in given.values():
            assert all((tmp_path / file.path).exists() for file in files)
        yield dataset, Loaded(1)

    for _attempt in range(2):
        load = LoadFiles(loader)
        load.start_bundle()
        load.process((dataset.name, files))
        outputs = list(load.finish_bundle())
        assert [file.path for file in files] == outputs[-1].value.value
