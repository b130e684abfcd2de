"""Interleaved documents: clips among their captions and transcripts, as Flamingo reads them."""
