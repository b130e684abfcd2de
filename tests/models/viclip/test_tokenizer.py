"""Ids equal those of two other implementations with the same merges."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from internvid.core.errors import CheckpointFormatError, ConfigInvalidError, SourceMissingError
from internvid.models.viclip import Merges, Tokenizer, find_merges, merges, read_merges
from internvid.models.viclip.tokenizer import byte_symbols, normalise_text

TEXTS = [
    "a dog runs",
    "",
    "   ",
    "Crème brûlée, naïve façade — œuvre",
    "ﬁne ligatures ﬀ",
    "schÃ¶n cafÃ© â€œquotedâ€\x9d",
    "👩‍👩‍👧 dancing 💃🏽!!! 🎉🎉",
    "rock &amp; roll &amp;amp; more &lt;b&gt; &eacute;&#233;",
    "日本語のテキスト 한국어 русский العربية",
    "it's we've they'll I'd you're can't",
    "1234567890 3.14 2nd",
    "tabs\tand\nnew\r\nlines\x0b\x00",
    "hello_world #tag @name a/b-c",
    "supercalifragilisticexpialidocious " * 12,
    "a" * 400,
    "İstanbul ẞ ﬃ Ⅷ ½",
    "x\u0301\u200d\u00ad\ufeff",
    "don’t “curl” it…",
]
odd_text = st.text(
    st.sampled_from("abc XYZ'&;#<>|\t\n019.,!?éßøñ日本😀\u200d\u00a0\u0301ﬁ")
    | st.characters(exclude_categories=("Cs",)),
    max_size=60,
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer(find_merges())


@pytest.fixture(scope="module")
def theirs(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """transformers' CLIP tokenizer, made of the same merges."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("clip")
    symbols = tokenizer._symbols
    (folder / "vocab.json").write_text(json.dumps({s: at for at, s in enumerate(symbols)}))
    tokenizer.merges.write(folder / "merges.txt")
    return transformers.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))


@pytest.fixture(scope="module")
def second() -> Any:
    """open_clip's tokenizer module alone: the package itself needs torchvision."""
    spec = importlib.util.find_spec("open_clip")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("open_clip_torch is not installed")
    folder = Path(spec.submodule_search_locations[0])
    return _load_alone(folder / "tokenizer.py")


def _load_alone(path: Path) -> Any:
    package = types.ModuleType("alone")
    package.__path__ = [str(path.parent)]
    sys.modules["alone"] = package
    try:
        spec = importlib.util.spec_from_file_location("alone.tokenizer", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        del sys.modules["alone"]
    return module.SimpleTokenizer(context_length=32)


@pytest.mark.parametrize("text", TEXTS)
def test_ids_equal_open_clips(tokenizer: Tokenizer, second: Any, text: str) -> None:
    assert torch.equal(tokenizer(text), second(text))


@settings(deadline=None, max_examples=300)
@given(text=odd_text)
def test_ids_of_any_text_equal_open_clips(tokenizer: Tokenizer, second: Any, text: str) -> None:
    assert torch.equal(tokenizer(text), second(text))


def test_ids_equal_transformers(tokenizer: Tokenizer, theirs: Any) -> None:
    # That library cleans texts in another way; ids are compared for texts that are clean.
    texts = [normalise_text(text) for text in TEXTS if "|>" not in text and "\u00ad" not in text]
    ours = tokenizer(texts)
    for text, row in zip(texts, ours, strict=True):
        ids = theirs(text, truncation=True, max_length=32)["input_ids"]
        assert row[: len(ids)].tolist() == ids, text
        assert row[len(ids) :].eq(0).all()


def test_marks_in_a_text_are_marks(tokenizer: Tokenizer) -> None:
    """As in OpenAI's and the public ViCLIP's tokenizers; open_clip spells its marks otherwise."""
    ids = tokenizer.encode("<|startoftext|> odd <|ENDOFTEXT|> marks")
    assert [at for at, each in enumerate(ids) if each >= 49406] == [0, 2]


def test_long_texts_end_with_the_mark_and_short_ones_are_filled(tokenizer: Tokenizer) -> None:
    long, short = tokenizer(["word " * 50, "word"])
    assert long.shape == (32,)
    assert long[0] == short[0] == tokenizer.start == 49406
    assert long[-1] == tokenizer.end == 49407
    assert short.tolist() == [49406, short[1], 49407] + [0] * 29
    assert tokenizer("").tolist() == [[49406, 49407] + [0] * 30]
    assert tokenizer([]).shape == (0, 32)


@settings(deadline=None, max_examples=200)
@given(text=st.text(st.characters(max_codepoint=127), max_size=80))
def test_the_short_way_for_plain_text_changes_nothing(text: str) -> None:
    import html

    import ftfy

    repaired = html.unescape(html.unescape(ftfy.fix_text(text)))
    assert (
        normalise_text(text) == " ".join(repaired.split()).lower() or "\x1c" <= min(text) <= "\x1f"
    )


@settings(deadline=None, max_examples=200)
@given(text=odd_text)
def test_ids_of_any_text_decode_to_it_but_for_blanks(tokenizer: Tokenizer, text: str) -> None:
    decoded = tokenizer.decode(tokenizer.encode(text))
    wanted = normalise_text(text).replace("<|startoftext|>", "").replace("<|endoftext|>", "")
    assert "".join(decoded.split()) == "".join(wanted.split())


def test_tokenizers_travel_to_workers(tokenizer: Tokenizer) -> None:
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert torch.equal(copy(TEXTS), tokenizer(TEXTS))


def test_what_is_no_text_is_refused(tokenizer: Tokenizer) -> None:
    with pytest.raises(ConfigInvalidError, match="string, got int"):
        tokenizer(["a", 3])  # type: ignore[list-item]
    with pytest.raises(ConfigInvalidError, match="context"):
        Tokenizer(tokenizer.merges, context=1)


def test_bytes_have_256_distinct_symbols() -> None:
    symbols = byte_symbols()
    assert sorted(symbols) == list(range(256))
    assert len(set(symbols.values())) == 256


@pytest.mark.parametrize("form", ["gz", "txt", "json", "json-pairs"])
def test_every_form_of_the_table_is_read(tokenizer: Tokenizer, tmp_path: Path, form: str) -> None:
    pairs = tokenizer.merges.pairs
    if form == "gz":
        path = Path(tokenizer.merges.source)
        assert path.name == "bpe_simple_vocab_16e6.txt.gz"
    elif form == "txt":
        path = tmp_path / "merges.txt"
        tokenizer.merges.write(path)
    else:
        path = tmp_path / "tokenizer.json"
        listed = [list(p) if form == "json-pairs" else " ".join(p) for p in pairs]
        path.write_text(json.dumps({"model": {"merges": listed}}))
    found = read_merges(path)
    assert found.pairs == pairs
    assert found.fingerprint == tokenizer.merges.fingerprint
    assert Tokenizer(found).vocabulary == 49408


def test_places_are_tried_in_order(
    tokenizer: Tokenizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    snapshot = tmp_path / "hub" / "models--openai--clip-vit-large-patch14" / "snapshots" / "abc"
    places = [tmp_path / "given", tmp_path / "beside", tmp_path / "variable", snapshot]
    for at, place in enumerate(places):
        place.mkdir(parents=True)
        Merges((("a", "b"), *[("c", "d")] * at)).write(place / "merges.txt")
    monkeypatch.setenv("INTERNVID_MERGES", str(places[2] / "merges.txt"))
    assert len(find_merges(places[0], places[1]).pairs) == 1
    assert len(find_merges(places[0] / "merges.txt").pairs) == 1
    assert len(find_merges(folder=places[1]).pairs) == 2
    assert len(find_merges(folder=tmp_path).pairs) == 3
    monkeypatch.delenv("INTERNVID_MERGES")
    assert len(find_merges().pairs) == 4


def test_nothing_found_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("INTERNVID_MERGES", raising=False)
    monkeypatch.setattr(merges.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SourceMissingError, match="pip install --no-deps open_clip_torch"):
        find_merges()
    with pytest.raises(SourceMissingError, match=r"merges\.txt"):
        find_merges(tmp_path)
    with pytest.raises(SourceMissingError, match="no file"):
        find_merges(tmp_path / "nothing.txt")


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bbroken", b"\xff\xfe", b"one\n", b"{}"])
def test_damaged_tables_are_refused(tmp_path: Path, content: bytes) -> None:
    for name in ("merges.txt", "tokenizer.json"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointFormatError, match="merges"):
            read_merges(tmp_path / name)


def test_open_clip_is_read_but_not_imported() -> None:
    script = (
        "import sys\nfrom internvid.models.viclip import find_merges\nfind_merges()\n"
        "print('open_clip' in sys.modules)\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "INTERNVID_MERGES"}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "False"
