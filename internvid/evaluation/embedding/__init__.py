"""From a benchmark's videos and texts to vectors of the model that is measured."""
