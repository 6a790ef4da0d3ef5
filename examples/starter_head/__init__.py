"""Train the head of the starter model: `python -m examples.starter_head`."""
