"""What is trained beside the towers: a matching head, or an action classifier."""
