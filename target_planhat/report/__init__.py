"""What a run did, told at its end."""
