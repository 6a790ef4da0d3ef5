"""What takes minutes, in a process of its own: it goes on when a visitor leaves, and is shown to whoever comes."""
