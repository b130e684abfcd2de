"""From clips to batches: opening tables, reading frames, views, masks, captions, order."""
