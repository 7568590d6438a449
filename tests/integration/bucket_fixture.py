"""Cloud Storage as a folder: what the product does through Beam's file systems."""

from pathlib import Path

import pytest
from apache_beam.io.filesystem import FileMetadata, MatchResult
from apache_beam.io.filesystems import FileSystems
from apache_beam.io.localfilesystem import LocalFileSystem

SCHEME = "gs://"


class Buckets:
    """A file system of Beam's whose paths are `gs://BUCKET/OBJECT` below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.local = LocalFileSystem(pipeline_options=None)

    def _here(self, path):
        assert path.startswith(SCHEME), path
        return f"{self.root}/{path.removeprefix(SCHEME)}"

    def _there(self, path):
        return SCHEME + path.removeprefix(f"{self.root}/")

    def match(self, patterns, limits=None):
        found = self.local.match([self._here(pattern) for pattern in patterns], limits)
        return [
            MatchResult(
                self._there(result.pattern),
                [
                    FileMetadata(self._there(file.path), file.size_in_bytes)
                    for file in result.metadata_list
                    if Path(file.path).is_file()  # there are no folders
                ],
            )
            for result in found
        ]

    def create(self, path, *arguments, **options):
        here = Path(self._here(path))
        here.parent.mkdir(parents=True, exist_ok=True)
        return self.local.create(str(here), *arguments, **options)

    def open(self, path, *arguments, **options):
        return self.local.open(self._here(path), *arguments, **options)

    def rename(self, sources, destinations):
        pairs = (
            [self._here(path) for path in paths] for paths in (sources, destinations)
        )
        self.local.rename(*pairs)

    def delete(self, paths):
        self.local.delete([self._here(path) for path in paths])


def serve_buckets(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    """Has Beam find the objects of `gs://BUCKET` in `root/BUCKET`."""
    real = FileSystems.get_filesystem
    buckets = Buckets(root)
    monkeypatch.setattr(
        FileSystems,
        "get_filesystem",
        lambda path: buckets if path.startswith(SCHEME) else real(path),
    )
