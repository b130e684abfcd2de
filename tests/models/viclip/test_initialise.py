"""Weights for training from nothing: places and times are told apart from the first step on."""

from __future__ import annotations

import torch

from internvid.models.viclip import ViCLIP
from internvid.models.viclip.initialise import initialise_sincos


def fresh() -> ViCLIP:
    torch.manual_seed(0)
    model = ViCLIP("tiny")
    initialise_sincos(model.vision_encoder, model.text_encoder)
    return model


def test_every_place_and_time_has_a_code_of_its_own() -> None:
    tower = fresh().vision_encoder
    config = fresh().config
    codes = tower.positions(config.frames, config.grid, config.grid)
    assert codes.shape == (config.tokens, config.vision_width)
    distances = torch.cdist(codes, codes) + torch.eye(len(codes)) * 1e3
    assert distances.min() > 0.1
    assert not torch.any(tower.positional_embedding[0]), "the class token has no place"


def test_codes_are_as_large_as_contents_and_do_not_shift_them() -> None:
    tower = fresh().vision_encoder
    space, time = tower.positional_embedding[1:], tower.temporal_positional_embedding[0]
    for table in (space, time):
        assert abs(table.square().mean().sqrt().item() - 0.7) < 1e-4
        assert table.mean(0).abs().max() < 1e-5
    # Channels are not shared: a sum of place and time can be taken apart again.
    assert torch.equal(space.abs().sum(0) * time.abs().sum(0), torch.zeros(space.shape[1]))


def test_the_same_seed_draws_the_same_weights() -> None:
    first, second = fresh().state_dict(), fresh().state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
