"""The error family: every failure a user can meet, typed, with what to do next.

```
InternvidError                 anything this package refuses or fails at
├── MisuseError                the request itself is wrong (exit code 2)
│   ├── ComponentUnknownError  no component of that kind has that name
│   ├── ConfigInvalidError     a field got a value it cannot take
│   ├── OutputExistsError      the output path exists and is not ours
│   ├── SourceMissingError     an input names nothing that exists
│   ├── NothingSelectedError   a selection takes not one clip
│   ├── AnnotationInvalidError a benchmark's annotation file is not of its format
│   └── ProtocolMismatchError  two numbers were not measured the same way
├── DatasetError               a dataset folder cannot be used as requested
│   ├── DatasetBusyError       another process is writing to it
│   ├── PlanMismatchError      its work was planned by another version, or is another by now
│   └── DatasetFormatError     its format is newer, damaged or foreign
├── StorageError               the disk is full or refuses us
├── DependencyMissingError     an optional package is not installed
├── CheckpointError            weights, or what comes with them, cannot be used
│   ├── CheckpointFormatError  the file is truncated, damaged or another kind of file
│   └── CheckpointMismatchError  it is of another model: keys or shapes differ
├── WeightsMissingError        a model's weights are not on this machine
├── ServiceError               a model server cannot be reached, or refuses us
├── TrainingStoppedError       training cannot go on: the loss is no number, clips fail
├── BudgetSpentError           the allowed requests or tokens are used up
└── VideoError                 one source is at fault, the rest goes on
    ├── VideoUnreadableError   it cannot be opened or decoded
    ├── VideoForeignError      it is a playlist or points at other files
    └── VideoTooLargeError     decoding it would exceed the memory cap
```
"""

from __future__ import annotations


class InternvidError(Exception):
    """Base of the family.

    Args:
        message: what failed, with the value, and why or what is allowed.
        hint: the next step, shown on a line of its own.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\nhint: {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.hint))


class MisuseError(InternvidError):
    """The request itself is wrong; nothing was done."""


class ComponentUnknownError(MisuseError):
    """No component of that kind has that name."""


class ConfigInvalidError(MisuseError):
    """A configuration field does not exist or got a value it cannot take."""


class OutputExistsError(MisuseError):
    """The output path exists and was not made by this program."""


class SourceMissingError(MisuseError):
    """An input path, glob or table names nothing that exists."""


class NothingSelectedError(MisuseError):
    """A selection takes not one clip; the message has the reasons."""


class AnnotationInvalidError(MisuseError):
    """An annotation file of a benchmark is malformed; the message names file and line."""


class ProtocolMismatchError(MisuseError):
    """Two results cannot be compared: something else than the model differs."""


class DatasetError(InternvidError):
    """A dataset folder cannot be used as requested."""


class DatasetBusyError(DatasetError):
    """Another process holds the dataset's write lock."""


class PlanMismatchError(DatasetError):
    """The planned work of a dataset is not what this process would do: another version, or plan."""


class DatasetFormatError(DatasetError):
    """The dataset's format is unknown, damaged or newer than this program."""


class StorageError(InternvidError):
    """Writing failed: the disk is full or a permission is missing."""


class DependencyMissingError(InternvidError):
    """A component needs a package that is not installed."""


class WeightsMissingError(InternvidError):
    """A model's weights are neither in the given folder nor in the local hub cache."""


class ServiceError(InternvidError):
    """A model server cannot be reached at all, or refuses the key or the model's name."""


class BudgetSpentError(InternvidError):
    """The budget of a run is used up; what is done is kept, and a rerun goes on."""


class CheckpointError(InternvidError):
    """Weights, or the tables that come with them, cannot be used."""


class CheckpointFormatError(CheckpointError):
    """A file of weights is truncated, damaged or another kind of file."""


class CheckpointMismatchError(CheckpointError):
    """Weights are of another model: keys are missing, unexpected or of other shapes."""


class TrainingStoppedError(InternvidError):
    """A training run cannot go on as it is: its loss is no number, or too many clips fail."""


class VideoError(InternvidError):
    """One source is at fault. `reason` is the short word kept in the videos table."""

    reason = "video_error"

    def __init__(self, message: str, *, reason: str | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        if reason is not None:
            self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_video_error, (type(self), self.message, self.reason, self.hint))


class VideoUnreadableError(VideoError):
    """The source cannot be opened, has no video, or yields no frame."""

    reason = "unreadable"


class VideoForeignError(VideoError):
    """The source is a playlist, or a media file that refers to other files or hosts."""

    reason = "foreign_reference"


class VideoTooLargeError(VideoError):
    """One decoded picture of the source would exceed the memory cap."""

    reason = "too_large"


def _rebuild(kind: type[InternvidError], message: str, hint: str | None) -> InternvidError:
    return kind(message, hint=hint)


def _rebuild_video_error(
    kind: type[VideoError], message: str, reason: str, hint: str | None
) -> VideoError:
    return kind(message, reason=reason, hint=hint)
