"""From a clip to the files of a trainer: a plan in times, then pixels and sound, then proof."""
