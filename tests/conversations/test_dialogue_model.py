"""Turns of a chat model behind a real HTTP server: what counts, and what is refused and counted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import internvid
from internvid.cli.app import main
from internvid.conversations.dialogues.model_checks import (
    REASONS,
    ModelFacts,
    checked_pairs,
    named_seconds,
)
from internvid.conversations.dialogues.model_turns import PROMPT
from internvid.core.errors import ServiceError
from internvid.dataset.store import Dataset
from tests.captions.servers import ChatServer, Turn, asked, chat
from tests.conversations.library import killed_at_file
from tests.trees import digest_tree

NOTES = "0.0 to 3.5 seconds: A brown dog runs after a stick.\n3.5 to 9.0 seconds, spoken: come here"


def turns(*texts: str, roles: tuple[str, ...] = ("user", "assistant")) -> str:
    listed = [{"role": roles[at % len(roles)], "text": text} for at, text in enumerate(texts)]
    return json.dumps({"turns": listed})


GOOD = turns(
    *("What does the dog do?", "The brown dog runs after a stick."),
    *("When is it?", "From 0.0 to 3.5 seconds."),
    *("What is spoken?", 'One hears "come here".'),
)


def test_what_follows_from_the_notes_counts() -> None:
    pairs, reason = checked_pairs(GOOD, ModelFacts(NOTES, 9.0), PROMPT)
    assert reason == ""
    assert pairs[1] == ("When is it?", "From 0.0 to 3.5 seconds.")
    fenced, reason = checked_pairs(f"```json\n{GOOD}\n```", ModelFacts(NOTES, 9.0), PROMPT)
    assert (fenced, reason) == (pairs, "")


REFUSED = {
    "not_json": "I think the dog runs.",
    "wrong_structure": '{"turns": [{"role": "user"}]}',
    "unknown_role": turns("What runs?", "The dog runs.", roles=("user", "narrator")),
    "not_alternating": turns("The dog runs.", "What runs?", roles=("assistant", "user")),
    "empty_turn": turns("What runs?", " ... "),
    "too_long": turns("What runs?", " ".join(["dog", "stick", "brown", "runs"] * 50)),
    "refusing": turns("What runs?", "I'm sorry, but I cannot see the dog."),
    "looping": turns("What runs?", "The dog the dog the dog the dog runs."),
    "leaked_prompt": turns("What runs?", "According to the notes, the dog runs."),
    "times_outside": turns("When?", "The dog runs from 3.5 to 12 seconds."),
    "not_in_text": turns("What runs?", "A white horse runs after a stick."),
}


def test_every_reason_has_an_example() -> None:
    assert set(REFUSED) == set(REASONS)


@pytest.mark.parametrize("reason", REFUSED)
def test_what_does_not_count_has_a_reason(reason: str) -> None:
    assert checked_pairs(REFUSED[reason], ModelFacts(NOTES, 9.0), PROMPT) == ([], reason)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Every answer must follow from the notes alone, so the dog runs.", "leaked_prompt"),
        ("The dog runs at 1:05.", "times_outside"),
        ("The dog runs for 2 minutes.", "times_outside"),
        ("There are 7 dogs.", "not_in_text"),
    ],
)
def test_further_answers_that_do_not_count(text: str, reason: str) -> None:
    assert checked_pairs(turns("What?", text), ModelFacts(NOTES, 9.0), PROMPT)[1] == reason


def test_words_that_are_allowed_to_be_new() -> None:
    text = turns("What runs?", "A white dog runs.")
    assert checked_pairs(text, ModelFacts(NOTES, 9.0), PROMPT, 1)[1] == ""


def test_times_are_read_as_people_write_them() -> None:
    assert sorted(named_seconds("from 3 to 4.5 s, at 1:05, after 2 min, a 7-second shot")) == [
        *(3.0, 4.5, 7.0, 65.0, 120.0)
    ]
    assert named_seconds("two dogs and 3 cats") == []


Serve = Callable[[Any], ChatServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts servers and stops them at the end."""
    servers: list[ChatServer] = []

    def start(script: Any) -> ChatServer:
        servers.append(ChatServer(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def answer_from_notes(payload: dict[str, Any], _: int) -> Turn:
    """A model that repeats the first note, within its times."""
    words, pictures = asked(payload)
    assert pictures == []
    note = words.rpartition("\n\n")[2].splitlines()[0]
    times, text = note.split(": ", 1)
    return Turn(chat(turns("What is seen?", text, "When is it?", f"From {times}.")))


def settings_for(server: ChatServer, *more: str) -> list[str]:
    return [
        *("caption=story", "documents_per_shard=10"),
        *(f"model.served.base_url=http://127.0.0.1:{server.port}/v1", "model.served.model=m"),
        *("model.served.cache=", "model.served.retries=0"),
        *more,
    ]


def test_turns_of_a_model_are_stored_with_what_it_was_given(
    library: Dataset, tmp_path: Path, serve: Serve
) -> None:
    server = serve(answer_from_notes)
    manifest = internvid.make_dialogues(
        library, tmp_path / "out", settings=settings_for(server, "pairs=1")
    )
    assert manifest["refused"] == {}
    per_document = manifest["per_document"]
    assert per_document["by_model"]["total"] == 2 * len(server.posts)
    assert {post["response_format"]["type"] for post in server.posts} == {"json_schema"}
    with_text = [row for row in library.clips().to_pylist() if row["story"]]
    assert len(server.posts) == len(with_text) + 6  # videos have some, too
    proof = internvid.prove_dialogues(library, tmp_path / "out")
    assert proof.ok, proof.faults.examples
    assert proof.checked == per_document["by_model"]["total"]
    assert proof.proved == per_document["pairs"]["total"] - proof.checked
    reading = internvid.read_dialogues(tmp_path / "out" / "conversations.json")
    assert len(list(reading)) == manifest["documents"]
    assert not reading.faults.total


def test_a_model_is_given_no_times_of_a_film_that_nobody_sees(
    library: Dataset, tmp_path: Path, serve: Serve
) -> None:
    def script(payload: dict[str, Any], seen: int) -> Turn:
        note = asked(payload)[0].rpartition("\n\n")[2].splitlines()[0]
        return Turn(chat(turns("What is shown?", note.partition(": ")[2])))

    server = serve(script)
    settings = settings_for(server, "about=video", "media.pixels=clips", "media.cut.size=32")
    manifest = internvid.make_dialogues(library, tmp_path / "out", settings=settings)
    notes = [asked(post)[0].rpartition("\n\n")[2] for post in server.posts]
    assert len(notes) == 6
    assert all(note.startswith("video 1: ") and "to" not in note[:20] for note in notes)
    assert manifest["per_document"]["by_model"]["total"] == 6
    assert internvid.prove_dialogues(library, tmp_path / "out").ok


def test_refusals_are_counted_by_their_reason(
    library: Dataset, tmp_path: Path, serve: Serve, capfd: pytest.CaptureFixture[str]
) -> None:
    answers = [GOOD, *REFUSED.values()]
    number = iter(range(10_000))

    def script(payload: dict[str, Any], seen: int) -> Turn:
        at = next(number)
        if at % 13 == 12:
            return Turn(chat("", finish_reason="content_filter"))
        return Turn(chat(answers[at % 13]))

    server = serve(script)
    folder = tmp_path / "out"
    words = ["dialogues", str(library.root), str(folder), "--about", "clip", "--pairs", "2"]
    words += [f"--set={each}" for each in settings_for(server)]
    assert main(words) == 0
    manifest = json.loads((folder / "manifest.json").read_text())
    assert sum(manifest["refused"].values()) == len(server.posts)
    assert set(manifest["refused"]) >= {*REFUSED.keys() - {"times_outside"}, "refused"}
    assert f"{len(server.posts)} refusals (" in capfd.readouterr().err
    # Templates answered all the same.
    assert manifest["per_document"]["by_model"]["total"] == 0
    assert manifest["documents"] == len(library)
    assert internvid.prove_dialogues(library, folder).ok


def test_what_was_killed_goes_on_without_the_answers_that_are_there(
    library: Dataset, tmp_path: Path, serve: Serve
) -> None:
    server = serve(answer_from_notes)
    settings = settings_for(server, "pairs=0")

    def write() -> None:
        fresh = internvid.open(library.root)
        internvid.make_dialogues(fresh, tmp_path / "parts", settings=settings)

    killed_at_file("dialogues-000002.jsonl", 1, write)
    before = len(server.posts)
    manifest = internvid.make_dialogues(library, tmp_path / "parts", settings=settings)
    again = len(server.posts) - before
    assert again < before
    assert manifest["documents_left_out"] == {"no_question": 6}
    internvid.make_dialogues(library, tmp_path / "whole", settings=settings)
    assert digest_tree(tmp_path / "parts") == digest_tree(tmp_path / "whole")


def test_the_only_model_of_a_server_is_taken(
    library: Dataset, tmp_path: Path, serve: Serve
) -> None:
    server = serve(answer_from_notes)
    address = f"http://127.0.0.1:{server.port}/v1"
    settings = ["caption=story", "about=video", "model.served.cache="]
    internvid.make_dialogues(library, tmp_path / "out", server=address, settings=settings)
    assert {post["model"] for post in server.posts} == {"m"}
    server.models = ["m", "n"]
    with pytest.raises(internvid.InternvidError, match="lists m, n"):
        internvid.make_dialogues(library, tmp_path / "other", server=address, settings=settings)


def test_a_server_that_is_not_there_is_named_before_anything_is_written(
    library: Dataset, tmp_path: Path
) -> None:
    server = ChatServer(answer_from_notes)
    settings = settings_for(server)
    server.close()
    with pytest.raises(ServiceError):
        internvid.make_dialogues(library, tmp_path / "out", settings=settings)
    assert not (tmp_path / "out").exists()
