"""What Planhat holds already, known before anything is written."""
