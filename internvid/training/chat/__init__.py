"""Training of video chats on the shared loop: aligning on captions, instructing on dialogues."""
