"""Chart: a figure of matplotlib, without a screen, as a PNG."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from command.usage import UsageError

WIDTH_INCHES = 10
PANE_INCHES = 3.2
DOTS_PER_INCH = 120


def chart_path(text: str) -> Path:
    """A file that can be written; for argparse.

    Raises:
        argparse.ArgumentTypeError: It cannot, or is not a PNG.
    """
    path = Path(text)
    if path.suffix.lower() != ".png" or path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a PNG file, such as day.png")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"you cannot write to {path.parent}")
    return path


def write_chart(path: Path, title: str, *panes: Callable[[Any], None]) -> None:
    """Draws panes one below the other.

    Args:
        path: The PNG.
        title: Above the first pane.
        panes: Each draws on the axes that it is called with.

    Raises:
        UsageError: The file cannot be written.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    size = (WIDTH_INCHES, PANE_INCHES * len(panes))
    figure, grid = pyplot.subplots(
        len(panes), figsize=size, squeeze=False, layout="constrained"
    )
    figure.suptitle(title)
    for pane, axes in zip(panes, grid[:, 0], strict=True):
        pane(axes)
    try:
        figure.savefig(path, dpi=DOTS_PER_INCH)
    except OSError as error:
        raise UsageError(f"--chart: cannot write {path}: {error.strerror}") from None
    finally:
        pyplot.close(figure)
