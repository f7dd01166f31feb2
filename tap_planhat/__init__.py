"""The tap: Planhat's campaigns, NPS, conversations and tasks as Singer records."""
