"""Renders a planned video frame by frame and states what is true of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from internvid.synthetic.painting.measure import Look, look_at
from internvid.synthetic.painting.mixing import mix
from internvid.synthetic.painting.shot_rendering import FrameArray, ShotRenderer
from internvid.synthetic.scripts.describe import describe_shot, describe_video
from internvid.synthetic.scripts.events import apply_event
from internvid.synthetic.scripts.sound_tracks import SAMPLE_RATE, samples
from internvid.synthetic.scripts.video_plan import ShotPlan, TransitionPlan, VideoPlan
from internvid.synthetic.scripts.world_words import SIZES
from internvid.synthetic.truth import (
    EventTruth,
    ObjectTruth,
    ShotTruth,
    SlideshowTruth,
    TransitionTruth,
    VideoTruth,
)


@dataclass(frozen=True)
class Boundaries:
    """Where the shots of a plan lie: frames, one entry a shot."""

    seen_first: tuple[int, ...]
    seen_last: tuple[int, ...]
    clean_first: tuple[int, ...]
    clean_end: tuple[int, ...]
    start: tuple[int, ...]
    end: tuple[int, ...]


def lay_out(plan: VideoPlan) -> Boundaries:
    """Compute where every shot is seen, is seen alone, and where it starts by the midpoint rule."""
    lengths = [0, *(one.frames for one in plan.transitions), 0]
    clean_first = plan.clean_starts
    clean_end = tuple(
        first + shot.frames for first, shot in zip(clean_first, plan.shots, strict=True)
    )
    before = lengths[:-1]
    after = lengths[1:]
    return Boundaries(
        seen_first=tuple(first - length for first, length in zip(clean_first, before, strict=True)),
        seen_last=tuple(end + length - 1 for end, length in zip(clean_end, after, strict=True)),
        clean_first=clean_first,
        clean_end=clean_end,
        start=tuple(first - length // 2 for first, length in zip(clean_first, before, strict=True)),
        end=tuple(end + length // 2 for end, length in zip(clean_end, after, strict=True)),
    )


class VideoRenderer:
    """Renders the frames of one plan in order, holding two shots at a time.

    Args:
        plan: what to render.
    """

    def __init__(self, plan: VideoPlan) -> None:
        self._plan = plan
        self._bounds = lay_out(plan)
        self._looks: list[Look] = []

    def frames(self) -> Iterator[FrameArray]:
        """Yield every frame as RGB (height, width, 3), uint8."""
        plan, bounds = self._plan, self._bounds
        current = self._open(0)
        for index in range(len(plan.shots)):
            for frame in range(bounds.clean_first[index], bounds.clean_end[index]):
                yield self._with_events(current.frame(frame - bounds.seen_first[index]), frame)
            if index + 1 == len(plan.shots):
                return
            following = self._open(index + 1)
            change = plan.transitions[index]
            for step in range(change.frames):
                frame = bounds.clean_end[index] + step
                old = current.frame(frame - bounds.seen_first[index])
                new = following.frame(frame - bounds.seen_first[index + 1])
                yield self._with_events(mix(change, step, old, new), frame)
            current = following

    def sound(self) -> npt.NDArray[np.float32] | None:
        """Return the samples (n,) at `sound.SAMPLE_RATE`, or None if the video has no sound."""
        plan = self._plan
        if not plan.has_audio:
            return None
        parts = []
        for shot, start, end in zip(plan.shots, self._bounds.start, self._bounds.end, strict=True):
            first, last = round(start * SAMPLE_RATE / plan.fps), round(end * SAMPLE_RATE / plan.fps)
            parts.append(samples(shot.sound, last - first, shot.seed))
        return np.concatenate(parts)

    def truth(self) -> VideoTruth:
        """Return what is true of the video, once all frames were rendered."""
        plan, bounds = self._plan, self._bounds
        return VideoTruth(
            name=plan.name,
            theme=plan.theme,
            codec=plan.codec,
            width=plan.width,
            height=plan.height,
            fps_numerator=plan.fps.numerator,
            fps_denominator=plan.fps.denominator,
            frames=plan.frames,
            has_audio=plan.has_audio,
            shots=tuple(self._shot_truth(index) for index in range(len(plan.shots))),
            events=tuple(
                EventTruth(one.kind, one.first_frame, one.last_frame, one.shot_index, one.detail)
                for one in plan.events
            ),
            slideshows=tuple(
                SlideshowTruth(bounds.start[first], bounds.end[last - 1], style)
                for first, last, style in plan.slideshows
            ),
            text=describe_video(plan.theme, plan.shots),
        )

    def _open(self, index: int) -> ShotRenderer:
        bounds, plan = self._bounds, self._plan
        shot = plan.shots[index]
        first = bounds.seen_first[index]
        count = bounds.seen_last[index] - first + 1
        lead = bounds.clean_first[index] - first
        renderer = ShotRenderer(shot, count, lead, float(plan.fps), plan.width, plan.height)
        self._looks.append(look_at(renderer.frame(renderer.middle), shot.borders))
        return renderer

    def _with_events(self, picture: FrameArray, frame: int) -> FrameArray:
        for event in self._plan.events:
            if event.first_frame <= frame <= event.last_frame:
                picture = apply_event(picture, event, frame)
        return picture

    def _shot_truth(self, index: int) -> ShotTruth:
        plan, bounds = self._plan, self._bounds
        shot, look = plan.shots[index], self._looks[index]
        return ShotTruth(
            index=index,
            start_frame=bounds.start[index],
            end_frame=bounds.end[index],
            start_seconds=float(bounds.start[index] / plan.fps),
            end_seconds=float(bounds.end[index] / plan.fps),
            clean_start_frame=bounds.clean_first[index],
            clean_end_frame=bounds.clean_end[index],
            transition=_transition_truth(
                plan.transitions[index - 1] if index else None, bounds.clean_first[index]
            ),
            kind=shot.kind,
            camera=shot.camera,
            objects=_object_truths(shot, plan.height),
            backdrop=shot.backdrop,
            mood=shot.tint or shot.mood,
            tone=look.tone,
            brightness=look.brightness,
            dominant_colours=look.colours,
            borders=shot.borders,
            sound=shot.sound,
            text=describe_shot(shot),
        )


def _transition_truth(plan: TransitionPlan | None, clean_first: int) -> TransitionTruth:
    if plan is None:
        return TransitionTruth("start", "", 0, 0, "")
    first = clean_first - plan.frames
    return TransitionTruth(plan.kind, plan.style, first, max(first, clean_first - 1), plan.contrast)


def _object_truths(shot: ShotPlan, height: int) -> tuple[ObjectTruth, ...]:
    live = shot.kind == "scene"
    return tuple(
        ObjectTruth(
            shape=one.shape,
            colour=one.colour,
            size=one.size,
            motion=one.motion if live else "stay",
            radius_pixels=round(SIZES[one.size] * height, 2),
        )
        for one in shot.objects
    )
