"""Items to outcomes: bulk upsert, until it is known what became of each."""
