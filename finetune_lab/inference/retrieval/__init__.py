"""Examples put before a prompt: found among the training rows by likeness, within what a model can read."""
