"""What both connectors share: Planhat's resources, their schemas, settings and the HTTP client."""
