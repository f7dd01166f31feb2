"""Records on their way: collected, written, and kept where they are rejected."""
