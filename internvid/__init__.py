"""Video-text datasets and video CLIPs: from raw videos to a trained model.

The public names are loaded when first used, so that `import internvid` stays cheap.
"""

import importlib

from internvid._version import __version__

# `python -m` has the current folder first on the path when this is read: nothing is imported that
# Python has not loaded by then.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from internvid import recipes
    from internvid.api.annotations import audit, caption, classify, drop_column, embed, score
    from internvid.api.browsing import reviews, serve
    from internvid.api.cluster.submitting import submit
    from internvid.api.cluster.working import prepare, prepare_columns, work
    from internvid.api.collecting import compare_queries, discover, make_queries
    from internvid.api.components import list_components, make_component
    from internvid.api.curation import contamination, diff, split
    from internvid.api.datasets import (
        demo,
        describe,
        repair,
        show_clip,
        status,
        use_cut,
        write_report,
    )
    from internvid.api.deduplication import dedup, source_groups
    from internvid.api.evaluation import evaluate
    from internvid.api.fetching import fetch, fetch_status, plan_fetch
    from internvid.api.releases import reissue, verify
    from internvid.api.removal import plan_removal, remove
    from internvid.api.searching import map_clips, search
    from internvid.api.subsets import plan_publication, publish, select
    from internvid.api.training import compare, plan_training, train
    from internvid.api.uses.chatting import chat
    from internvid.api.uses.conversations import (
        interleave,
        make_dialogues,
        plan_dialogues,
        plan_interleave,
        prove_dialogues,
        read_dialogues,
        read_interleaved,
    )
    from internvid.api.uses.generation import generate
    from internvid.collect.fetching.fetch_settings import FetchSettings
    from internvid.core.errors import InternvidError
    from internvid.core.types import Clip, FrameBatch, Shot, Timeline, TimeSpan
    from internvid.curate.exclusions.exclude import Exclude
    from internvid.curate.exclusions.other_subset import Outside
    from internvid.curate.selectors import (
        Aesthetic,
        Cap,
        Chain,
        Diverse,
        Filtered,
        Quota,
        Random,
        Split,
        Where,
    )
    from internvid.dataset.store import Dataset, open_dataset
    from internvid.dataset.store import open_dataset as open
    from internvid.evaluation.generation.distances import (
        frechet_distance,
        inception_score,
        kernel_distance,
    )
    from internvid.models.chat.video_chat import VideoChat
    from internvid.models.generation.text_to_video_model import TextToVideo
    from internvid.models.viclip import ViCLIP
    from internvid.pipeline.annotate.annotate import annotate
    from internvid.recipes import build
    from internvid.shots.detect import detect_shots
    from internvid.training.data.clip_dataset import ClipDataset

# Public name -> where it is, `module:name` where it has another name there.
_EXPORTS = {
    "Aesthetic": "internvid.curate.selectors",
    "Cap": "internvid.curate.selectors",
    "Chain": "internvid.curate.selectors",
    "Clip": "internvid.core.types",
    "ClipDataset": "internvid.training.data.clip_dataset",
    "Dataset": "internvid.dataset.store",
    "Diverse": "internvid.curate.selectors",
    "Exclude": "internvid.curate.exclusions.exclude",
    "Outside": "internvid.curate.exclusions.other_subset",
    "FetchSettings": "internvid.collect.fetching.fetch_settings",
    "Filtered": "internvid.curate.selectors",
    "FrameBatch": "internvid.core.types",
    "InternvidError": "internvid.core.errors",
    "Quota": "internvid.curate.selectors",
    "Random": "internvid.curate.selectors",
    "Shot": "internvid.core.types",
    "Split": "internvid.curate.selectors",
    "TextToVideo": "internvid.models.generation.text_to_video_model",
    "TimeSpan": "internvid.core.types",
    "Timeline": "internvid.core.types",
    "ViCLIP": "internvid.models.viclip",
    "VideoChat": "internvid.models.chat.video_chat",
    "Where": "internvid.curate.selectors",
    "annotate": "internvid.pipeline.annotate.annotate",
    "audit": "internvid.api.annotations",
    "build": "internvid.recipes",
    "caption": "internvid.api.annotations",
    "chat": "internvid.api.uses.chatting",
    "classify": "internvid.api.annotations",
    "compare": "internvid.api.training",
    "compare_queries": "internvid.api.collecting",
    "contamination": "internvid.api.curation",
    "dedup": "internvid.api.deduplication",
    "demo": "internvid.api.datasets",
    "describe": "internvid.api.datasets",
    "detect_shots": "internvid.shots.detect",
    "diff": "internvid.api.curation",
    "discover": "internvid.api.collecting",
    "drop_column": "internvid.api.annotations",
    "embed": "internvid.api.annotations",
    "evaluate": "internvid.api.evaluation",
    "fetch": "internvid.api.fetching",
    "fetch_status": "internvid.api.fetching",
    "frechet_distance": "internvid.evaluation.generation.distances",
    "generate": "internvid.api.uses.generation",
    "inception_score": "internvid.evaluation.generation.distances",
    "interleave": "internvid.api.uses.conversations",
    "kernel_distance": "internvid.evaluation.generation.distances",
    "list_components": "internvid.api.components",
    "make_component": "internvid.api.components",
    "make_dialogues": "internvid.api.uses.conversations",
    "make_queries": "internvid.api.collecting",
    "map_clips": "internvid.api.searching",
    "open": "internvid.dataset.store:open_dataset",
    "open_dataset": "internvid.dataset.store",
    "plan_dialogues": "internvid.api.uses.conversations",
    "plan_fetch": "internvid.api.fetching",
    "plan_interleave": "internvid.api.uses.conversations",
    "plan_publication": "internvid.api.subsets",
    "plan_removal": "internvid.api.removal",
    "plan_training": "internvid.api.training",
    "prepare": "internvid.api.cluster.working",
    "prepare_columns": "internvid.api.cluster.working",
    "prove_dialogues": "internvid.api.uses.conversations",
    "publish": "internvid.api.subsets",
    "read_dialogues": "internvid.api.uses.conversations",
    "read_interleaved": "internvid.api.uses.conversations",
    "reissue": "internvid.api.releases",
    "remove": "internvid.api.removal",
    "repair": "internvid.api.datasets",
    "reviews": "internvid.api.browsing",
    "score": "internvid.api.annotations",
    "search": "internvid.api.searching",
    "select": "internvid.api.subsets",
    "serve": "internvid.api.browsing",
    "show_clip": "internvid.api.datasets",
    "source_groups": "internvid.api.deduplication",
    "split": "internvid.api.curation",
    "status": "internvid.api.datasets",
    "train": "internvid.api.training",
    "use_cut": "internvid.api.datasets",
    "verify": "internvid.api.releases",
    "submit": "internvid.api.cluster.submitting",
    "work": "internvid.api.cluster.working",
    "write_report": "internvid.api.datasets",
}

__all__ = [
    "Aesthetic",
    "Cap",
    "Chain",
    "Clip",
    "ClipDataset",
    "Dataset",
    "Diverse",
    "Exclude",
    "FetchSettings",
    "Filtered",
    "FrameBatch",
    "InternvidError",
    "Outside",
    "Quota",
    "Random",
    "Shot",
    "Split",
    "TextToVideo",
    "TimeSpan",
    "Timeline",
    "ViCLIP",
    "VideoChat",
    "Where",
    "__version__",
    "annotate",
    "audit",
    "build",
    "caption",
    "chat",
    "classify",
    "compare",
    "compare_queries",
    "contamination",
    "dedup",
    "demo",
    "describe",
    "detect_shots",
    "diff",
    "discover",
    "drop_column",
    "embed",
    "evaluate",
    "fetch",
    "fetch_status",
    "frechet_distance",
    "generate",
    "inception_score",
    "interleave",
    "kernel_distance",
    "list_components",
    "make_component",
    "make_dialogues",
    "make_queries",
    "map_clips",
    "open",
    "open_dataset",
    "plan_dialogues",
    "plan_fetch",
    "plan_interleave",
    "plan_publication",
    "plan_removal",
    "plan_training",
    "prepare",
    "prepare_columns",
    "prove_dialogues",
    "publish",
    "read_dialogues",
    "read_interleaved",
    "recipes",
    "reissue",
    "remove",
    "repair",
    "reviews",
    "score",
    "search",
    "select",
    "serve",
    "show_clip",
    "source_groups",
    "split",
    "status",
    "submit",
    "train",
    "use_cut",
    "verify",
    "work",
    "write_report",
]


# Hidden from type checkers, which would let every misspelt name through.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name == "recipes":
            return importlib.import_module("internvid.recipes")
        if name not in _EXPORTS:
            raise AttributeError(f"module 'internvid' has no attribute {name!r}")
        module, _, other = _EXPORTS[name].partition(":")
        return getattr(importlib.import_module(module), other or name)


def __dir__() -> list[str]:
    return __all__
