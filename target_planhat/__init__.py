"""The Singer target: records of any tap, written to Planhat by bulk upsert."""
