"""Measures of video chats: known truth, multiple choice, answers scored by a model."""
