"""One rendered world and one set of odd files for all tests of this folder."""

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from internvid.synthetic import World, render_demo
from internvid.synthetic.odd.odd_files import write_odd_files
from internvid.synthetic.odd.oddity import OddFile

Frames = npt.NDArray[np.uint8]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The demo world of seed 0."""
    return render_demo(tmp_path_factory.mktemp("world"), seed=0)


@pytest.fixture(scope="session")
def decoded(world: World) -> Callable[[str], Frames]:
    """Decode a file of the world once, as RGB frames (T, H, W, 3)."""
    kept: dict[str, Frames] = {}

    def decode(name: str) -> Frames:
        if name not in kept:
            kept[name] = decode_video(world.path(name))
        return kept[name]

    return decode


@pytest.fixture(scope="session")
def odd_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[OddFile]]:
    """A folder of odd files and their records."""
    folder = tmp_path_factory.mktemp("odd")
    return folder, write_odd_files(folder, seed=0)


def decode_video(path: Path) -> Frames:
    """Decode all frames with one thread."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return np.stack([one.to_ndarray(format="rgb24") for one in container.decode(video=0)])
