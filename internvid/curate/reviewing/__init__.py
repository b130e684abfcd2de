"""What reviews by people say: blind audits of what was kept, comparisons of two captions."""
