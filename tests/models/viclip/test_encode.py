"""What can be encoded, what is refused, and zero-shot use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from internvid.core.errors import ConfigInvalidError, SourceMissingError, VideoUnreadableError
from internvid.core.types import FrameBatch, TimeSpan
from internvid.models.viclip import (
    ACTION_TEMPLATES,
    ViCLIP,
    clean_text,
    fill_templates,
    read_frames,
    sample_frames,
)
from internvid.synthetic.truth import World
from internvid.video.decode import Picture, open_video
from internvid.video.display.picture import Painter


def frames(count: int, height: int = 64, width: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


def test_one_in_one_out_and_batches_in_batches_out(tiny: ViCLIP) -> None:
    clip = frames(4)
    one = tiny.encode_video(clip)
    assert one.shape == (64,)
    assert one.norm().item() == pytest.approx(1, abs=1e-5)
    batch = np.stack([clip, frames(4, seed=1)])
    found = tiny.encode_video(batch)
    assert found.shape == (2, 64)
    torch.testing.assert_close(found[0], one)
    torch.testing.assert_close(tiny.encode_video(list(batch)), found)
    torch.testing.assert_close(tiny.encode_video(torch.from_numpy(batch)), found)
    torch.testing.assert_close(tiny.encode_video(batch, batch_size=1), found)
    assert tiny.encode_text("a dog").shape == (64,)
    assert tiny.encode_text(["a dog", ""]).shape == (2, 64)
    assert tiny.encode_text([]).shape == (0, 64)


def test_encoding_frames_is_preprocessing_then_encoding_pixels(tiny: ViCLIP) -> None:
    clip = frames(4, 90, 120)
    pixels = tiny.preprocessing(torch.from_numpy(clip)[None], 64)
    raw = tiny.encode_video(clip, normalize=False)
    torch.testing.assert_close(raw, tiny.encode_pixels(pixels)[0])
    torch.testing.assert_close(raw / raw.norm(), tiny.encode_video(clip))


def test_frames_are_sampled_or_repeated_by_the_rule(tiny: ViCLIP) -> None:
    clip = frames(12)
    torch.testing.assert_close(
        tiny.encode_video(clip), tiny.encode_video(clip[sample_frames(12, 4)])
    )
    short = clip[:2]
    padded = np.stack([short[0], short[1], short[1], short[1]])
    torch.testing.assert_close(tiny.encode_video(short), tiny.encode_video(padded))
    torch.testing.assert_close(
        tiny.encode_video(short, frames=3), tiny.encode_video(padded[:3], frames=3)
    )


def test_images_are_videos_of_one_frame(tiny: ViCLIP, tmp_path: Path) -> None:
    image = frames(1, 70, 50)[0]
    expected = tiny.encode_pixels(tiny.preprocessing(torch.from_numpy(image)[None, None], 64))[0]
    Image.fromarray(image).save(tmp_path / "x.png")
    for form in (image, image[None], Image.fromarray(image), tmp_path / "x.png"):
        torch.testing.assert_close(tiny.encode_video(form, normalize=False), expected)
    repeated = tiny.encode_video(image[None], frames=4)
    torch.testing.assert_close(repeated, tiny.encode_video(np.repeat(image[None], 4, 0)))


def test_batches_may_mix_everything(tiny: ViCLIP) -> None:
    clip, image = frames(4, 80, 60), frames(1, 50, 90)[0]
    batch = FrameBatch(frames(5), np.arange(5.0))
    mixed = [clip, image, batch, Image.fromarray(image)]
    found = tiny.encode_video(mixed)
    for row, item in zip(found, mixed, strict=True):
        torch.testing.assert_close(row, tiny.encode_video(item))


def test_files_give_the_frames_of_their_interval_middles(tiny: ViCLIP, world: World) -> None:
    path = world.folder / world.videos[0].name
    every: list[np.ndarray] = []
    with open_video(path) as opened:
        for item in opened.read():
            assert isinstance(item, Picture)
            every.append(Painter(opened.facts).paint(item.frame))
    chosen = sample_frames(len(every), 4)
    found = read_frames(path, 4)
    assert np.array_equal(found.frames, np.stack([every[at] for at in chosen]))
    torch.testing.assert_close(
        tiny.encode_video(path), tiny.encode_video(np.stack(every)), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(tiny.encode_video(str(path)), tiny.encode_video(path))
    span = TimeSpan(2.0, 3.0)
    inside = read_frames(path, 4, span=span)
    assert all(span.contains(seconds) for seconds in inside.pts_seconds)
    with pytest.raises(VideoUnreadableError, match="no frame"):
        read_frames(path, 4, span=TimeSpan(900.0, 901.0))


def test_wrong_packet_times_cost_a_second_pass_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from internvid.models.viclip import video_frames as module

    path = world.folder / world.videos[0].name
    expected = read_frames(path, 4)
    for guess in (np.arange(3.0), np.empty(0), np.arange(9999) / 30):
        monkeypatch.setattr(module, "_packet_seconds", lambda _path, guess=guess: guess)
        found = read_frames(path, 4)
        assert np.array_equal(found.frames, expected.frames)
        assert np.array_equal(found.pts_seconds, expected.pts_seconds)


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (
            np.zeros((4, 64, 64, 3), np.float32),
            "float32 [4, 64, 64, 3]; expected uint8 [T, H, W, 3]",
        ),
        (np.zeros((4, 3, 64, 64), np.uint8), "shape [4, 3, 64, 64]; expected uint8"),
        (np.zeros((64, 64), np.uint8), "shape [64, 64]; expected"),
        (np.zeros((0, 64, 64, 3), np.uint8), "shape [0, 64, 64, 3]"),
        (torch.zeros(4, 64, 64, 3, dtype=torch.int64), "torch.int64"),
        (7, "cannot encode int"),
        ([], "empty batch"),
        ([np.zeros((64, 64, 3), np.uint8), None], "cannot encode NoneType"),
    ],
)
def test_what_is_no_video_is_refused(tiny: ViCLIP, video: Any, message: str) -> None:
    with pytest.raises(ConfigInvalidError, match=re.escape(message)):
        tiny.encode_video(video)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (torch.zeros(1, 4, 3, 64, 64, dtype=torch.uint8), "expected float [B, T, 3, H, W]"),
        (torch.zeros(4, 3, 64, 64), "shape [4, 3, 64, 64]"),
        (torch.zeros(1, 3, 4, 64, 64), "shape [1, 3, 4, 64, 64]"),
        (torch.zeros(1, 4, 3, 64, 60), "64 x 60"),
        (torch.zeros(0, 4, 3, 64, 64), "shape [0"),
        (torch.full((1, 4, 3, 64, 64), float("nan")), "NaN"),
        (torch.full((1, 4, 3, 64, 64), float("inf")), "infinity"),
    ],
)
def test_what_are_no_pixels_is_refused(tiny: ViCLIP, pixels: torch.Tensor, message: str) -> None:
    with pytest.raises(ConfigInvalidError, match=re.escape(message)):
        tiny.encode_pixels(pixels)


@pytest.mark.parametrize("options", [{"frames": 0}, {"frames": -1}, {"batch_size": 0}])
def test_impossible_counts_are_refused(tiny: ViCLIP, options: dict[str, int]) -> None:
    with pytest.raises(ConfigInvalidError):
        tiny.encode_video(frames(4), **options)


def test_views_and_read_only_arrays_are_taken(tiny: ViCLIP) -> None:
    clip = frames(4)
    turned = tiny.encode_video(clip[::-1, ..., ::-1])
    torch.testing.assert_close(turned, tiny.encode_video(clip[::-1, ..., ::-1].copy()))
    clip.flags.writeable = False
    assert tiny.encode_video(clip).shape == (64,)
    assert tiny.encode_video(np.zeros((3, 900, 3), np.uint8)).shape == (64,)


def test_paths_that_lead_nowhere_are_refused(tiny: ViCLIP, tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError, match=r"nothing\.mp4"):
        tiny.encode_video(tmp_path / "nothing.mp4")
    for name in ("broken.jpg", "broken.mp4"):
        (tmp_path / name).write_bytes(b"this is not media, not at all")
        with pytest.raises(VideoUnreadableError):
            tiny.encode_video(tmp_path / name)


def test_similarity_takes_things_or_embeddings(tiny: ViCLIP) -> None:
    clips, texts = frames(8).reshape(2, 4, 64, 64, 3), ["a dog", "a cat", "a bird"]
    videos, words = tiny.encode_video(clips), tiny.encode_text(texts)
    expected = videos @ words.T
    torch.testing.assert_close(tiny.similarity(clips, texts), expected)
    torch.testing.assert_close(tiny.similarity(videos, words), expected)
    torch.testing.assert_close(tiny.similarity(clips[0], texts), expected[0])
    torch.testing.assert_close(tiny.similarity(clips, "a cat"), expected[:, 1])
    torch.testing.assert_close(tiny.similarity(clips[1], "a cat"), expected[1, 1])


def test_classification_averages_similarities_over_templates(tiny: ViCLIP) -> None:
    clip, labels = frames(4), ["riding a horse", "swimming", "cooking"]
    found = tiny.classify(clip, labels)
    video = tiny.encode_video(clip)
    means = []
    for label in labels:
        prompts = [template.replace("{}", label) for template in ACTION_TEMPLATES]
        means.append(torch.stack([video @ tiny.encode_text(prompt) for prompt in prompts]).mean())
    scores = torch.stack(means)
    chances = (100 * scores).softmax(0)
    assert list(found) == [labels[at] for at in chances.argsort(descending=True)]
    for label, chance in zip(labels, chances, strict=True):
        assert found[label] == pytest.approx(float(chance), rel=1e-3, abs=1e-6)
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    several = tiny.classify([clip, frames(4, seed=2)], labels, templates=("{}",), clean=True)
    assert [set(row) for row in several] == [set(labels)] * 2


def test_templates_are_the_sixteen_of_the_reference() -> None:
    assert len(ACTION_TEMPLATES) == len(set(ACTION_TEMPLATES)) == 16
    assert fill_templates(["a", "b"], ["{}", "x {}"]) == ["a", "x a", "b", "x b"]


@pytest.mark.parametrize(
    ("labels", "templates"),
    [
        ([], ["{}"]),
        ("ab", ["{}"]),
        (["a", "a"], ["{}"]),
        (["a"], []),
        (["a"], ["x"]),
        (["a"], "{}"),
    ],
)
def test_odd_labels_and_templates_are_refused(labels: Any, templates: Any) -> None:
    with pytest.raises(ConfigInvalidError):
        fill_templates(labels, templates)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("A Dog, runs!", "a dog runs"),
        ("state-of-the-art/new  thing", "state of the art new thing"),
        ("(what?) 'quoted' \"text\": a;b~c#d*e", "what quoted text abcde"),
        ("  <person> waves \n", "person waves"),
        ("", ""),
    ],
)
def test_cleaning_is_the_references(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


def test_texts_are_encoded_as_they_are_unless_cleaning_is_asked_for(tiny: ViCLIP) -> None:
    text = "A dog, running!"
    plain, cleaned = tiny.encode_text(text), tiny.encode_text(text, clean=True)
    torch.testing.assert_close(cleaned, tiny.encode_text("a dog running"))
    assert not torch.allclose(plain, cleaned)


def test_a_model_describes_what_decides_its_embeddings(tiny: ViCLIP) -> None:
    import json

    described = json.loads(json.dumps(tiny.describe()))
    assert described["preprocessing"]["name"] == "reference"
    assert described["preprocessing"]["fingerprint"] == tiny.preprocessing.fingerprint
    assert described["config"]["frames"] == 4
    assert described["dtype"] == "float32"
