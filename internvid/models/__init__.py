"""Networks and what loads them: ViCLIP, and pretrained models of other kinds."""
