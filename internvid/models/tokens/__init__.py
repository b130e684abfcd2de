"""Tokens of texts, as pretrained models count them."""
