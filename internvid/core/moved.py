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
        "pipeline.recipe_validation": "pipeline.rehearsal",
        "core.timings": "core.ledger",
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
        "curate.selectors": "curate.subsets",
        "dataset.frame_shards": "dataset.frames",
        "dataset.subset_files": "dataset.subsets",
        "evaluate.benchmarks.base": "evaluate.benchmark",
        "evaluate.benchmarks.caption_metrics": "evaluate.captions",
        "evaluate.benchmarks.probes": "evaluate.probe",
        "evaluate.benchmarks.prompt_templates": "evaluate.templates",
        "evaluate.benchmarks.recognition": "evaluate.recognition",
        "evaluate.benchmarks.rendered": "evaluate.synthetic",
        "evaluate.benchmarks.reranking": "evaluate.reranking",
        "evaluate.benchmarks.retrieval": "evaluate.retrieval",
        "evaluate.benchmarks.shot_metrics": "evaluate.shots",
        "evaluate.embedding.embed_clips": "evaluate.embedding",
        "evaluate.embedding.embedders": "evaluate.embedders",
        "evaluate.embedding.frame_views": "evaluate.views",
        "evaluate.embedding.headed": "evaluate.headed",
        "evaluate.embedding.loading": "evaluate.loading",
        "evaluate.embedding.vector_store": "evaluate.store",
        "evaluate.results.protocol": "evaluate.protocol",
        "evaluate.results.published": "evaluate.published",
        "evaluate.results.results_page": "evaluate.page",
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
        "pipeline.source_parts": "pipeline.planning",
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
        "train.compare.compare": "train.compare",
        "train.compare.equal_budget": "train.compare_budget",
        "train.compare.held_out": "train.compare_held_out",
        "train.compare.outcome": "train.compare_outcome",
        "train.data.clip_sources": "train.sources",
        "train.data.jpegs": "train.jpegs",
        "train.data.loader": "train.data",
        "train.data.masks": "train.masks",
        "train.data.opening": "train.opening",
        "train.data.order": "train.order",
        "train.data.samples": "train.samples",
        "train.data.stored_picks": "train.stored",
        "train.data.text_cache": "train.textcache",
        "train.data.views": "train.views",
        "train.data.vocabulary": "train.vocabulary",
        "train.heads.label_sets": "train.label_sets",
        "train.heads.matching_step": "train.matching",
        "train.heads.open_heads": "train.heads",
        "train.heads.steps": "train.steps",
        "train.recipes.action_finetuning": "train.action_finetuning",
        "train.recipes.pretraining": "train.recipes",
        "train.recipes.probing": "train.probing",
        "train.recipes.recipe": "train.recipe",
        "train.recipes.retrieval_finetuning": "train.retrieval_finetuning",
        "train.run.distributed": "train.processes",
        "train.run.flops": "train.flops",
        "train.run.log": "train.report",
        "train.run.meter": "train.meter",
        "train.run.monitor": "train.watch",
        "train.run.resilient_log": "train.patient",
        "train.run.run_checkpoint": "train.checkpoint",
        "train.run.run_folder": "train.claiming",
        "train.run.sharding": "train.sharding",
        "train.run.skipped_log": "train.ledger",
        "train.run.training_plan": "train.planning",
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
