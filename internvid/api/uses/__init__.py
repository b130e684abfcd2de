"""What a dataset is for, as functions: documents and dialogues to train models on."""
