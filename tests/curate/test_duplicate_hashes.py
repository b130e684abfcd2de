"""Hashes alone: mirrors, empty pictures, candidates among many, and runs at an offset."""

from __future__ import annotations

import numpy as np
import pytest

from internvid.curate.duplicates import candidates as sorting
from internvid.curate.duplicates.alignment import RunRule, Track, find_runs, windows
from internvid.curate.duplicates.candidates import Pictures, find_candidates
from internvid.curate.duplicates.difference_hashes import are_informative, distances, mirrored
from internvid.scan.picks import difference_hash


def draw_hashes(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


def with_turned_bits(hashes: np.ndarray, bits: int, seed: int = 1) -> np.ndarray:
    draw = np.random.default_rng(seed)
    turned = hashes.copy()
    for at in range(len(hashes)):
        for bit in draw.choice(64, bits, replace=False):
            turned[at] ^= np.uint64(1) << np.uint64(bit)
    return turned


def in_tracks(*tracks: np.ndarray) -> Pictures:
    hashes = np.concatenate(tracks)
    track = np.repeat(np.arange(len(tracks), dtype=np.int32), [len(each) for each in tracks])
    seconds = np.concatenate([np.arange(len(each)) / 2 for each in tracks]).astype(np.float32)
    return Pictures(track, seconds, hashes, np.ones(len(hashes), bool), len(tracks))


def one_track(hashes: np.ndarray, clip_seconds: float = 5.0) -> Track:
    length = len(hashes) / 2
    starts = np.arange(0.0, length, clip_seconds)
    ends = np.minimum(starts + clip_seconds, length)
    seconds = (np.arange(len(hashes)) / 2).astype(np.float32)
    return Track(seconds, hashes, np.ones(len(hashes), bool), starts, ends)


def test_the_hash_of_a_mirrored_picture_follows_from_its_own() -> None:
    draw = np.random.default_rng(5)
    for _ in range(50):
        # Cells of one level each, none equal to its neighbour.
        cells = draw.permuted(np.tile(np.linspace(10, 240, 9), (8, 1)), axis=1)
        picture = np.kron(cells, np.ones((8, 14))).astype(np.uint8)
        own = np.array([difference_hash(picture)], np.uint64)
        other = difference_hash(np.ascontiguousarray(picture[:, ::-1]))
        assert int(mirrored(own)[0]) == other
        assert mirrored(mirrored(own))[0] == own[0]


def test_equal_cells_cost_a_bit_each_in_the_mirror() -> None:
    cells = np.tile(np.array([50.0, 90, 90, 20, 60, 10, 80, 30, 70]), (8, 1))
    picture = np.kron(cells, np.ones((8, 14))).astype(np.uint8)
    own = np.array([difference_hash(picture)], np.uint64)
    other = np.array([difference_hash(np.ascontiguousarray(picture[:, ::-1]))], np.uint64)
    assert distances(mirrored(own), other)[0] == 8


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((72, 128), np.uint8),
        np.full((72, 128), 255, np.uint8),
        np.tile(np.linspace(0, 255, 128).astype(np.uint8), (72, 1)),  # brighter to the right
        np.tile(np.repeat(np.arange(8, dtype=np.uint8) * 30, 16), (72, 1)),  # upright bars
    ],
)
def test_empty_pictures_are_not_recognised(picture: np.ndarray) -> None:
    assert not are_informative(np.array([difference_hash(picture)], np.uint64))[0]


def test_flat_noise_is_not_recognised_but_a_picture_is() -> None:
    hashes = draw_hashes(2)
    assert are_informative(hashes, np.array([0.2, 80.0], np.float32)).tolist() == [False, True]


def test_copies_are_found_among_many_and_others_are_not() -> None:
    tracks = [draw_hashes(20, seed) for seed in range(300)]
    tracks[200] = with_turned_bits(tracks[10], 4)
    tracks[250] = mirrored(with_turned_bits(tracks[20], 3))
    tracks[299] = np.concatenate([draw_hashes(30, 999), with_turned_bits(tracks[30][5:15], 3)])
    found = find_candidates(in_tracks(*tracks), distance=10, neighbours=32)
    pairs = dict(
        zip(zip(found.first.tolist(), found.second.tolist(), strict=True), found.is_mirrored,
            strict=True)
    )  # fmt: skip
    assert pairs == {(10, 200): False, (20, 250): True, (30, 299): False}
    at = found.second.tolist().index(299)
    assert found.offsets[at] in (12.0, 13.0)  # picture 30 at 15 s shows picture 5 at 2.5 s
    assert (found.crowded, found.passed_over) == (0, 0)


def test_portions_of_the_keys_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    tracks = [draw_hashes(20, seed) for seed in range(60)]
    tracks[50] = with_turned_bits(tracks[3], 4)
    whole = find_candidates(in_tracks(*tracks), distance=10, neighbours=32)
    monkeypatch.setattr(sorting, "SORTED_AT_ONCE", 97)
    parts = find_candidates(in_tracks(*tracks), distance=10, neighbours=32)
    assert len(whole) == 1
    assert (parts.first.tolist(), parts.second.tolist()) == ([3], [50])


def test_a_picture_that_many_share_makes_a_chain_and_says_what_was_passed_over() -> None:
    intro = draw_hashes(4, 7777)
    tracks = [np.concatenate([intro, draw_hashes(8, seed)]) for seed in range(100)]
    found = find_candidates(in_tracks(*tracks), distance=6, neighbours=3)
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert len(pairs) <= 100 * 3
    assert {(at, at + 1) for at in range(99)} <= pairs  # nobody is left out of the chain
    assert found.crowded == 4 * len(sorting.ROWS)
    assert found.passed_over == found.crowded * (96 * 97 // 2)
    whole = find_candidates(in_tracks(*tracks), distance=6, neighbours=10**30)
    assert (whole.passed_over, len(whole)) == (0, 100 * 99 // 2)


def test_a_run_is_found_at_its_offset_and_a_shared_still_is_none() -> None:
    long = draw_hashes(60, 1)
    part = with_turned_bits(long[20:40], 3)
    (first, second) = sorted(
        find_runs(one_track(long), one_track(part), RunRule()), key=lambda pair: pair.first
    )
    assert (first.first, first.second, second.first, second.second) == (2, 0, 3, 1)
    assert first.offset == pytest.approx(-10, abs=0.1)
    assert first.pictures in (10, 11)  # one at the very end of the clip
    assert first.scenes == first.pictures
    other = draw_hashes(20, 2)
    other[7] = long[7]  # a logo in the middle of both
    assert find_runs(one_track(long[:20]), one_track(other), RunRule()) == []
    other[7:9] = long[7:9]
    assert find_runs(one_track(long[:20]), one_track(other), RunRule()) == []


def test_a_copy_at_another_speed_is_found_with_its_speed() -> None:
    own = one_track(draw_hashes(60, 3), clip_seconds=30)
    slower = Track(own.seconds * 1.15, own.hashes, own.is_informative, own.starts, own.ends * 1.15)
    (found,) = find_runs(own, slower, RunRule())
    assert found.speed in (0.85, 0.9)  # 0.87 lies between them
    assert found.pictures > 50
    other = one_track(draw_hashes(60, 4), clip_seconds=30)
    assert find_runs(own, other, RunRule()) == []


def test_hours_of_video_are_compared_in_pieces() -> None:
    hashes = draw_hashes(8000, 4)
    long, copy = one_track(hashes), one_track(with_turned_bits(hashes[400:], 2))
    pieces = list(windows(long, copy, -200.0))
    assert len(pieces) > 3
    found = {
        (pair.first + first, pair.second + second)
        for own, near, first, second in pieces
        for pair in find_runs(own, near, RunRule())
    }
    assert {(at + 40, at) for at in range(len(copy.starts))} <= found
