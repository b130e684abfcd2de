"""The synthetic world: rendered videos and clips of which everything is known."""

from internvid.synthetic.clips import ClipSpec, render_clip, sample_specs
from internvid.synthetic.truth import World
from internvid.synthetic.world import render_demo, render_world

__all__ = ["ClipSpec", "World", "render_clip", "render_demo", "render_world", "sample_specs"]
