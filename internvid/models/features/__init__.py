"""Networks whose features generated videos are measured by; the weights are the user's."""
