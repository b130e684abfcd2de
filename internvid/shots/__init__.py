"""Shot detectors over a timeline, and the step from shots to clips."""
