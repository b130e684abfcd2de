"""internvid generate: a file, a folder that goes on, protocols, bad input."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest

from internvid import TextToVideo
from internvid.api.uses import generation
from internvid.api.uses.generation import Sampling, generate, read_prompts
from internvid.cli.app import main
from internvid.core.errors import AnnotationInvalidError, MisuseError, OutputExistsError
from internvid.evaluation.generation.video_sets import read_samples
from internvid.models.generation.tiny_model import make_tiny
from internvid.models.generation.tiny_network import TinyShape

SHAPE = TinyShape(frames=4, side=16, width=8, inner=8, condition=16, blocks=1, heads=2)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    TextToVideo(make_tiny(SHAPE, ["a red circle moves up"], seed=0)).save_pretrained(folder)
    return folder


def shown(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        return np.stack([each.to_ndarray(format="rgb24") for each in container.decode(video=0)])


def test_a_prompt_becomes_a_file(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "out.mp4"
    arguments = [str(model), "a red circle", "-o", str(out), "--steps", "2", "--seed", "5"]
    assert main(["generate", *arguments, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert (made["videos"], made["frames"], made["width"], made["seed"]) == (1, 4, 16, 5)
    wanted = TextToVideo.from_pretrained(model).generate("a red circle", steps=2, seed=5)
    assert shown(out).shape == (4, 16, 16, 3)
    assert np.abs(shown(out).mean() - wanted.mean()) < 6
    assert list(out.parent.iterdir()) == [out]


def test_a_folder_of_samples_goes_on_and_is_what_the_benchmark_reads(
    model: Path, tmp_path: Path
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("a red circle\n\nA <b>Circle</b>, up!\n")
    arguments = [
        "generate",
        str(model),
        "--prompts",
        str(prompts),
        "--samples",
        "2",
        "--steps",
        "2",
    ]
    folder = tmp_path / "samples"
    assert main([*arguments, "-o", str(folder)]) == 0
    names = sorted(path.name for path in folder.glob("*.mp4"))
    assert names == ["00000-00-a-red-circle.mp4", "00000-01-a-red-circle.mp4",
                     "00001-00-a-b-circle-b-up.mp4", "00001-01-a-b-circle-b-up.mp4"]  # fmt: skip
    found = read_samples(folder)
    assert [item.prompt for item in found.items][::2] == ["a red circle", "A <b>Circle</b>, up!"]
    assert not found.missing
    before = {name: (folder / name).read_bytes() for name in names}
    stamp = (folder / names[0]).stat().st_mtime_ns
    (folder / names[3]).unlink()
    assert [one.clip for one in read_samples(folder).missing] == [names[3]]
    assert main([*arguments, "-o", str(folder)]) == 0
    assert {name: (folder / name).read_bytes() for name in names} == before
    assert (folder / names[0]).stat().st_mtime_ns == stamp
    assert len(set(before.values())) == 4


def test_other_arguments_are_refused_in_a_folder_of_samples(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    generate(model, ["a circle", "a star"], folder, sampling=Sampling(steps=1))
    with pytest.raises(OutputExistsError, match="otherwise: steps differ"):
        generate(model, ["a circle", "a star"], folder, sampling=Sampling(steps=2))
    with pytest.raises(OutputExistsError, match="otherwise: prompts differ"):
        generate(model, ["a circle", "a heart"], folder, sampling=Sampling(steps=1))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(OutputExistsError, match="holds something else"):
        generate(model, ["a circle", "a star"], tmp_path / "full")


def test_the_papers_protocols_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = TinyShape(frames=16, side=8, width=8, inner=8, condition=8, blocks=1, heads=1)
    model = TextToVideo(make_tiny(shape, ["a"], seed=0))
    names = [f"sport {at}" for at in range(101)]
    with pytest.raises(MisuseError, match="takes 101 prompts, not 3"):
        generate(model, names[:3], tmp_path / "a", protocol="ucf101")
    with pytest.raises(MisuseError, match="takes 20 samples a prompt"):
        generate(model, names, tmp_path / "a", protocol="ucf101", samples=3)
    with pytest.raises(MisuseError, match="measures 16 frames, not 8"):
        generate(model, names, tmp_path / "a", protocol="ucf101", sampling=Sampling(frames=8))
    with pytest.raises(MisuseError, match="takes 2,990 prompts, not 101"):
        generate(model, names, tmp_path / "a", protocol="msrvtt")
    with pytest.raises(MisuseError, match="protocol is ucf101 or msrvtt"):
        generate(model, names, tmp_path / "a", protocol="other")
    assert not (tmp_path / "a").exists()
    # The same with fewer videos.
    monkeypatch.setattr(generation, "UCF101_CLASSES", 3)
    monkeypatch.setattr(generation, "UCF101_SAMPLES", 2)
    few = Sampling(steps=1)
    made = generate(model, names[:3], tmp_path / "a", protocol="ucf101", sampling=few, batch=4)
    assert (made["videos"], made["frames"]) == (6, 16)
    found = [item.prompt for item in read_samples(tmp_path / "a").items]
    assert found == [name for name in names[:3] for _ in range(2)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a circle", "--frames", "9"], "makes 1 to 4 frames, not 9"),
        (["a circle", "--size", "18x16"], "width 18 is no multiple of 4"),
        (["a circle", "--size", "32x32"], "makes 16x16 pixels only"),
        (["a circle", "--size", "big"], "a size is WIDTHxHEIGHT"),
        ([" ".join(["word"] * 30)], "the prompt has 30 words, this model reads 24"),
        (["a circle", "--prompts", "file.txt"], "give one PROMPT, or a file"),
        ([], "give one PROMPT, or a file"),
        (["a circle", "--fps", "0"], "fps must be above 0"),
        (["a circle", "--dtype", "int8"], "dtype is one of auto"),
        (["--prompts", "gone.txt"], "there is no file 'gone.txt'"),
    ],
)
def test_bad_input_is_refused(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    out = tmp_path / "out.mp4"
    assert main(["generate", str(model), *arguments, "-o", str(out)]) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_that_is_no_model_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert main(["generate", str(tmp_path / "empty"), "a", "-o", str(tmp_path / "o.mp4")]) == 1
    assert "no text-to-video model" in capsys.readouterr().err


def test_prompts_of_tables_are_read(tmp_path: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "one"}\n{"caption": " two "}\n"three"\n')
    assert read_prompts(path) == ["one", "two", "three"]
    path.write_text('{"prompt": "one"}\n{"prompt": ""}\n')
    with pytest.raises(AnnotationInvalidError, match="row 2 has no prompt"):
        read_prompts(path)
    path.write_text("\n")
    with pytest.raises(AnnotationInvalidError, match="holds no prompt"):
        read_prompts(path)
