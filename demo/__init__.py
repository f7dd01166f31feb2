"""The demo that `make demo` runs: both directions, through Meltano, against the sandbox."""
