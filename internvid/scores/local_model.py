"""What scorers that load a model on this machine have in common: its fields, checked and read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from internvid.core.errors import ConfigInvalidError

if TYPE_CHECKING:
    from internvid.models.dual_encoder import ClipEncoder
    from internvid.models.pretrained import Checkpoint


class LocalScorer(Protocol):
    """A scorer with the fields of one model, which captioners have in `local`."""

    @property
    def model(self) -> str:
        """Folder or hub name."""
        ...

    @property
    def dtype(self) -> str:
        """`auto`, or a dtype's name."""
        ...

    @property
    def device(self) -> str:
        """`auto`, `cpu`, `cuda`, ..."""
        ...

    @property
    def download(self) -> bool:
        """Whether it is fetched where it is not on this machine."""
        ...


def check_sizes(component: object, *names: str) -> None:
    """Refuse sizes below 1.

    Raises:
        ConfigInvalidError: one is.
    """
    for name in names:
        if getattr(component, name) < 1:
            raise ConfigInvalidError(f"{name} must be at least 1, got {getattr(component, name)}")


def checkpoint_of(scorer: LocalScorer) -> Checkpoint:
    """Which model a scorer's fields name, and where and how it runs."""
    from internvid.models.pretrained import Checkpoint

    return Checkpoint(scorer.model, scorer.device, scorer.dtype, download=scorer.download)


def encoder_of(scorer: LocalScorer) -> ClipEncoder:
    """The encoder that a scorer's fields name."""
    from internvid.models.dual_encoder import open_encoder

    return open_encoder(checkpoint_of(scorer))
