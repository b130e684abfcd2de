"""A linear probe: the head learns, the towers stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from internvid.evaluation.embedding.headed import ViCLIPClassifier
from internvid.evaluation.embedding.loading import load_subject
from internvid.training.loop import train
from internvid.training.prepare import choose_samples, make_model
from internvid.training.recipes.probing import viclip_probe
from tests.training.test_action_finetuning import labelled, tune
from tests.training.tiny import losses, weights


def test_only_the_head_learns(tmp_path: Path) -> None:
    made = replace(tune("stages.tune.peak_lr=5e-2", steps=60), head=viclip_probe().head)
    clips = labelled()
    start = make_model(made, choose_samples(made, clips)).state_dict()
    summary = train(made, clips, tmp_path / "run")
    assert summary.model is not None
    found = weights(tmp_path / "run")
    assert all(torch.equal(value, found[name]) for name, value in start.items())
    first, last = losses(tmp_path / "run")[0], losses(tmp_path / "run")[-1]
    assert last < 0.7 * first
    subject = load_subject(str(summary.model))
    assert isinstance(subject, ViCLIPClassifier)
    scores = subject.class_scores([clip[:2] for clip in clips.clips])
    right = [subject.class_names().index(str(name)) for name in clips.captions]
    assert (scores.argmax(1) == right).mean() > 0.8
