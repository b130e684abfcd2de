"""One decode of one video: observers leave a timeline, picks leave small JPEG frames."""
