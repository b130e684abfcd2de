"""Benchmarks of video chats: truth of the world, letters, scores of a model that may fail."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from internvid.api.evaluation import evaluate
from internvid.core.errors import AnnotationInvalidError, ConfigInvalidError, MisuseError
from internvid.evaluation.chat.five_aspects import score_of
from internvid.evaluation.chat.option_benchmarks import letter_of, read_options
from internvid.evaluation.results.protocol import read_result
from internvid.synthetic.clips import is_held_out
from internvid.synthetic.world_questions import (
    ASPECTS,
    draw_scenes,
    named_option,
    options_of,
    questions_of,
    sentence_of,
)


@pytest.mark.parametrize("aspect", ASPECTS)
def test_each_option_is_read_back_from_its_sentence(aspect: str) -> None:
    for option in options_of(aspect):
        assert named_option(aspect, sentence_of(aspect, option)) == option
    assert named_option(aspect, "Well.") is None


def test_several_options_are_none() -> None:
    assert named_option("colour", "It is red or blue.") is None
    assert named_option("motion", "It moves up and grows larger.") is None


@pytest.mark.parametrize("held_out", [True, False])
def test_scenes_keep_the_split_in_changed_colours_too(*, held_out: bool) -> None:
    scenes = draw_scenes(7, 200, held_out=held_out)
    for scene in scenes:
        for colour in (scene.spec.colour, scene.later or scene.spec.colour):
            assert is_held_out(colour, scene.spec.shape, scene.spec.motion) == held_out
    kinds = {bool(each.later) * 2 + bool(each.others) for each in scenes}
    assert kinds == {0, 1, 2}
    assert draw_scenes(7, 200, held_out=held_out) == scenes
    later = next(each for each in scenes if each.later).render(8, 48)
    assert not np.array_equal(later[3], later[4])


def test_every_aspect_has_questions_and_yes_is_half() -> None:
    rng = np.random.default_rng(1)
    posed = [each for scene in draw_scenes(9, 300) for each in questions_of(scene, rng)]
    assert {each.aspect for each in posed} == set(ASPECTS)
    assert all(each.is_right(each.answer) for each in posed)
    answers = [each.truth for each in posed if each.aspect == "yes_no"]
    assert 0.4 < answers.count("yes") / len(answers) < 0.6


def test_the_synthetic_benchmark_has_controls_and_a_protocol(run: Path, tmp_path: Path) -> None:
    result = evaluate(str(run), "videochat-synthetic", settings=["scenes=3", "seeds=5,6"])
    result.write(tmp_path / "result.json")
    assert read_result(tmp_path / "result.json").metrics == result.metrics
    parts = ("held_out_", "seen_", "held_out_blind_", "held_out_wrong_video_", "majority_")
    for part in parts:
        assert f"{part}motion" in result.metrics
    assert set(result.runs) == {"seed 5", "seed 6"}
    assert result.protocol.details["prompt_form"] == "plain"
    assert result.model["language_identity"]


def test_letters_are_read_where_there_is_one() -> None:
    assert [letter_of(text, 4) for text in ("B", "(C) a dog", "A.", "The answer is D.")] == [
        1, 2, 0, 3,
    ]  # fmt: skip
    assert letter_of("a dog", 4) is None
    assert letter_of("(E)", 4) is None


def questions(video: Path, folder: Path) -> tuple[Path, Path]:
    mvbench = folder / "moving_direction.json"
    mvbench.write_text(json.dumps([
        {"video": video.name, "question": "Which colour?", "candidates": ["red", "blue"],
         "answer": "blue", "start": 0, "end": 1.5},
        {"video": "gone.mp4", "question": "Which?", "candidates": ["a", "b"], "answer": "a"},
    ]))  # fmt: skip
    mme = folder / "videomme.parquet"
    row = {"videoID": video.stem, "question_id": "001-1", "task_type": "Counting",
           "question": "How many?", "options": ["A. one.", "B. two."], "answer": "B"}  # fmt: skip
    pq.write_table(pa.Table.from_pylist([row]), mme)
    return mvbench, mme


def test_multiple_choice_by_letter_and_likelihood(run: Path, video: Path, tmp_path: Path) -> None:
    mvbench, mme = questions(video, tmp_path)
    one = evaluate(str(run), "mvbench", annotations=mvbench, videos=video.parent)
    assert [(each.clip, each.reason) for each in one.missing] == [
        ("moving_direction-1", "not_found")
    ]
    assert one.metrics["chance"] == 50
    assert one.metrics["likelihood"] in (0, 100)
    assert one.protocol.details["begins"] == "Best option:("
    assert set(one.classes) == {"moving_direction"}
    other = evaluate(str(run), "video-mme", annotations=mme, videos=video.parent)
    assert (other.protocol.listed, other.protocol.found) == (1, 1)
    assert read_options(mme)[0].options == ("one.", "two.")
    others = tmp_path / "others"
    others.mkdir()
    shutil.copyfile(video, others / "another.mp4")
    with pytest.raises(MisuseError, match="not one of the 1 questions"):
        evaluate(str(run), "video-mme", annotations=mme, videos=others)


def test_a_question_whose_answer_is_no_option_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    row = {"video": "a.mp4", "question": "Which?", "candidates": ["a", "b"], "answer": "c"}
    path.write_text(json.dumps([row]))
    with pytest.raises(AnnotationInvalidError, match="is none of the options"):
        read_options(path)


class _Scorer(BaseHTTPRequestHandler):
    """Scores 4, but talks nonsense of one aspect."""

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": "scorer", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)  # type: ignore[attr-defined]
        prompt = body["messages"][0]["content"]
        text = "well, quite good!" if "main points" in prompt else '{"score": 4}'
        self._send({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]})

    def _send(self, body: Any) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def scorer() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Scorer)
    server.bodies = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_answers_are_scored_and_nonsense_is_counted(
    run: Path, video: Path, tmp_path: Path, scorer: ThreadingHTTPServer
) -> None:
    generic, temporal, twice = (
        tmp_path / name for name in ("generic_qa.json", "temporal_qa.json", "consistency_qa.json")
    )
    row = {"Q": "What?", "A": "A circle.", "video_name": video.stem}
    generic.write_text(json.dumps([row]))
    temporal.write_text(json.dumps([row]))
    twice.write_text(json.dumps([{**row, "Q1": "What?", "Q2": "Which?"}]))
    result = evaluate(
        str(run), "video-chatgpt", annotations=[generic, temporal, twice], videos=video.parent,
        settings=[
            "scorer.model=scorer", f"scorer.base_url=http://127.0.0.1:{scorer.server_port}/v1",
            "scorer.cache=", "repeats=2", "max_tokens=4",
        ],
    )  # fmt: skip
    metrics = result.metrics
    scored = ("correctness", "context", "temporal", "consistency")
    assert [metrics[name] for name in scored] == [4] * 4
    assert "detail" not in metrics
    assert metrics["detail_failed"] == 2
    assert metrics["correctness_failed"] == metrics["correctness_spread"] == 0
    assert "mean" not in metrics, "of five aspects, one has no score"
    bodies = scorer.bodies  # type: ignore[attr-defined]
    assert len(bodies) == 2 * 5
    assert {body["temperature"] for body in bodies} == {0}
    assert bodies[0]["response_format"]["json_schema"]["name"] == "score"
    assert result.protocol.details["scorer"] == "scorer"


def test_no_scorer_is_a_misuse(run: Path) -> None:
    with pytest.raises(ConfigInvalidError, match="scored by a language model, and none is named"):
        evaluate(str(run), "video-chatgpt")


@pytest.mark.parametrize(
    "text", ["", "4", "[4]", '{"score": 6}', '{"score": "4"}', '{"score": true}', '{"score": 4.5}']
)
def test_what_is_no_score_is_none(text: str) -> None:
    assert score_of(text) is None


def test_a_score_is_read() -> None:
    assert score_of('{"score": 0}') == 0
