"""Where modules of 0.1.0 stand today.

A class is recorded by the module it stood in at 0.1.0: in fingerprints, datasets and training
runs. Moving a file therefore changes no fingerprint, and class paths that users wrote into a
recipe still load. Entries are only ever added, when a module that existed in a release moves.
"""

from __future__ import annotations

from types import MappingProxyType

_ROOT = "internvid."

# Module today -> module in the release that first recorded it, both below `internvid`.
_RECORDED = MappingProxyType(
    {
        "browse.column_facts": "browse.columns",
        "browse.subset_facts": "browse.subsets",
        "browse.text_facts": "browse.texts",
        "captions.server.budget": "captions.budget",
        "captions.server.cache": "captions.cache",
        "captions.server.client": "captions.client",
        "captions.server.config": "captions.served",
        "captions.server.connection": "captions.connection",
        "captions.server.replies": "captions.replies",
        "captions.server.transport": "captions.transport",
        "core.timings": "core.ledger",
        "curate.selectors": "curate.subsets",
        "dataset.frame_shards": "dataset.frames",
        "dataset.subset_files": "dataset.subsets",
        "evaluation.annotations.actions": "evaluate.annotations.actions",
        "evaluation.annotations.captioned": "evaluate.annotations.captioned",
        "evaluation.annotations.finding": "evaluate.annotations.finding",
        "evaluation.annotations.labelled": "evaluate.annotations.labelled",
        "evaluation.annotations.moments": "evaluate.annotations.moments",
        "evaluation.annotations.msvd": "evaluate.annotations.msvd",
        "evaluation.annotations.reading": "evaluate.annotations.reading",
        "evaluation.annotations.records": "evaluate.annotations.records",
        "evaluation.benchmarks.base": "evaluate.benchmark",
        "evaluation.benchmarks.caption_metrics": "evaluate.captions",
        "evaluation.benchmarks.probes": "evaluate.probe",
        "evaluation.benchmarks.prompt_templates": "evaluate.templates",
        "evaluation.benchmarks.recognition": "evaluate.recognition",
        "evaluation.benchmarks.rendered": "evaluate.synthetic",
        "evaluation.benchmarks.reranking": "evaluate.reranking",
        "evaluation.benchmarks.retrieval": "evaluate.retrieval",
        "evaluation.benchmarks.shot_metrics": "evaluate.shots",
        "evaluation.embedding.embed_clips": "evaluate.embedding",
        "evaluation.embedding.embedders": "evaluate.embedders",
        "evaluation.embedding.frame_views": "evaluate.views",
        "evaluation.embedding.headed": "evaluate.headed",
        "evaluation.embedding.loading": "evaluate.loading",
        "evaluation.embedding.vector_store": "evaluate.store",
        "evaluation.metrics": "evaluate.metrics",
        "evaluation.results.protocol": "evaluate.protocol",
        "evaluation.results.published": "evaluate.published",
        "evaluation.results.results_page": "evaluate.page",
        "models.generated_texts": "models.texts",
        "models.transnet": "shots.transnet",
        "models.viclip.heads.classifier_head": "models.viclip.classifying",
        "models.viclip.heads.matching_head": "models.viclip.matching",
        "models.viclip.heads.saved_heads": "models.viclip.heads",
        "models.viclip.video_frames": "models.viclip.frames",
        "models.viclip.weights.checkpoint": "models.viclip.checkpoint",
        "models.viclip.weights.hub": "models.viclip.hub",
        "models.viclip.weights.layouts": "models.viclip.layouts",
        "models.viclip.weights.pickles": "models.viclip.pickles",
        "models.viclip.weights.positions": "models.viclip.positions",
        "models.viclip.weights.saving": "models.viclip.saving",
        "pipeline.annotate.annotate": "pipeline.annotating",
        "pipeline.annotate.audit": "pipeline.audit",
        "pipeline.annotate.column_plan": "pipeline.annotating_plan",
        "pipeline.annotate.column_progress": "pipeline.annotating_progress",
        "pipeline.annotate.column_run": "pipeline.annotating_run",
        "pipeline.annotate.jobs": "pipeline.annotating_jobs",
        "pipeline.annotate.pick_sets": "pipeline.annotating_picks",
        "pipeline.annotate.rows": "pipeline.annotating_rows",
        "pipeline.annotate.stream": "pipeline.annotating_parts",
        "pipeline.recipe_validation": "pipeline.rehearsal",
        "pipeline.source_parts": "pipeline.planning",
        "publishing.frames": "publish.frames",
        "publishing.publish": "publish.publish",
        "publishing.shards": "publish.shards",
        "publishing.webdataset": "publish.webdataset",
        "scan.observers.audio": "scan.audio",
        "scan.observers.camera": "scan.camera",
        "scan.observers.content": "scan.content",
        "scan.observers.learned": "scan.learned",
        "scan.observers.luma": "scan.luma",
        "scan.observers.registration": "scan.registration",
        "scan.timeline_columns": "scan.columns",
        "scan.transitions.classifiers": "scan.judges",
        "scan.transitions.coefficients": "scan.weights",
        "scan.transitions.detail": "scan.detail",
        "scan.transitions.fades": "scan.blank",
        "scan.transitions.frame_similarity": "scan.likeness",
        "scan.transitions.gradual": "scan.gradual",
        "scan.transitions.hard_cuts": "scan.hardcuts",
        "scan.transitions.observer": "scan.transitions",
        "scan.transitions.pushes": "scan.slides",
        "scan.transitions.window": "scan.window",
        "searching.index": "search.index",
        "searching.query": "search.query",
        "searching.vectors": "search.vectors",
        "shots.detect": "scan.detect",
        "synthetic.odd.boxes": "synthetic.boxes",
        "synthetic.odd.broken": "synthetic.odd_broken",
        "synthetic.odd.media": "synthetic.odd_media",
        "synthetic.odd.odd_files": "synthetic.odd",
        "synthetic.odd.odd_streams": "synthetic.odd_streams",
        "synthetic.odd.oddity": "synthetic.oddity",
        "synthetic.odd.reel": "synthetic.reel",
        "synthetic.painting.backdrops": "synthetic.backdrops",
        "synthetic.painting.camera_moves": "synthetic.camera",
        "synthetic.painting.measure": "synthetic.measure",
        "synthetic.painting.mixing": "synthetic.transitions",
        "synthetic.painting.palettes": "synthetic.palettes",
        "synthetic.painting.shapes": "synthetic.shapes",
        "synthetic.painting.shot_rendering": "synthetic.shot",
        "synthetic.painting.textures": "synthetic.textures",
        "synthetic.scripts.describe": "synthetic.describe",
        "synthetic.scripts.distractors": "synthetic.distractors",
        "synthetic.scripts.events": "synthetic.events",
        "synthetic.scripts.script": "synthetic.script",
        "synthetic.scripts.sound_tracks": "synthetic.sound",
        "synthetic.scripts.themes": "synthetic.themes",
        "synthetic.scripts.video_plan": "synthetic.plan",
        "synthetic.scripts.world_words": "synthetic.vocabulary",
        "training.compare.compare": "train.compare",
        "training.compare.equal_budget": "train.compare_budget",
        "training.compare.held_out": "train.compare_held_out",
        "training.compare.outcome": "train.compare_outcome",
        "training.data.clip_sources": "train.sources",
        "training.data.jpegs": "train.jpegs",
        "training.data.loader": "train.data",
        "training.data.masks": "train.masks",
        "training.data.opening": "train.opening",
        "training.data.order": "train.order",
        "training.data.samples": "train.samples",
        "training.data.stored_picks": "train.stored",
        "training.data.text_cache": "train.textcache",
        "training.data.views": "train.views",
        "training.data.vocabulary": "train.vocabulary",
        "training.heads.label_sets": "train.label_sets",
        "training.heads.matching_step": "train.matching",
        "training.heads.open_heads": "train.heads",
        "training.heads.steps": "train.steps",
        "training.loop": "train.loop",
        "training.loss": "train.loss",
        "training.optimiser": "train.optimiser",
        "training.prepare": "train.prepare",
        "training.recipes.action_finetuning": "train.action_finetuning",
        "training.recipes.pretraining": "train.recipes",
        "training.recipes.probing": "train.probing",
        "training.recipes.recipe": "train.recipe",
        "training.recipes.retrieval_finetuning": "train.retrieval_finetuning",
        "training.run.distributed": "train.processes",
        "training.run.flops": "train.flops",
        "training.run.log": "train.report",
        "training.run.meter": "train.meter",
        "training.run.monitor": "train.watch",
        "training.run.resilient_log": "train.patient",
        "training.run.run_checkpoint": "train.checkpoint",
        "training.run.run_folder": "train.claiming",
        "training.run.sharding": "train.sharding",
        "training.run.skipped_log": "train.ledger",
        "training.run.training_plan": "train.planning",
        "training.schedule": "train.schedule",
        "training.step": "train.step",
        "training.towers": "train.towers",
        "training.validation": "train.validation",
        "training.wiseft": "train.wiseft",
    }
)
# Class today -> class in that release, where its name changed as well.
_RENAMED = MappingProxyType(
    {
        "scan.transitions.classifiers:Classifier": "scan.judges:Judge",
        "scan.transitions.classifiers:Classifiers": "scan.judges:Judges",
    }
)
_CURRENT = MappingProxyType({recorded: current for current, recorded in _RECORDED.items()})


def recorded_name(kind: type) -> str:
    """`module:Class` under which a class is recorded, unchanged since it was first released."""
    name = f"{kind.__module__}:{kind.__qualname__}"
    if not name.startswith(_ROOT):
        return name
    below = name.removeprefix(_ROOT)
    module, _, qualname = below.partition(":")
    return _ROOT + _RENAMED.get(below, f"{_RECORDED.get(module, module)}:{qualname}")


def current_module(module: str) -> str:
    """The module that holds today what a module of an earlier release held."""
    below = module.removeprefix(_ROOT)
    return _ROOT + _CURRENT[below] if module.startswith(_ROOT) and below in _CURRENT else module
