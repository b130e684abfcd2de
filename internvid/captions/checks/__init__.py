"""What is wrong with a text, and how texts are cleaned."""
