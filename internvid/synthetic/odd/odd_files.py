"""Odd and broken media files, each with a statement of what a careful reader makes of it."""

from pathlib import Path

from internvid.synthetic.odd.broken import write_broken_files
from internvid.synthetic.odd.media import write_odd_media
from internvid.synthetic.odd.odd_streams import write_odd_streams
from internvid.synthetic.odd.oddity import OddFile


def write_odd_files(folder: Path | str, seed: int = 0) -> list[OddFile]:
    """Write all odd files into a folder; the same bytes for the same seed on one machine.

    Args:
        folder: is made if it does not exist; files of the same names are replaced.
        seed: any integer from 0.

    Returns:
        One record a file, in order of name.
    """
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    made = [
        *write_odd_media(target, seed),
        *write_odd_streams(target, seed),
        *write_broken_files(target, seed),
    ]
    return sorted(made, key=lambda one: one.name)
