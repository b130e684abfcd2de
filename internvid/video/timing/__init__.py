"""When each frame is shown: clocks, packet times, passes that leave frames out."""
