"""How a clip is shown to the model: frames, crops, mirroring, masks."""
