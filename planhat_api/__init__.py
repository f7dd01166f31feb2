"""What both connectors know about Planhat: resources, schemas, HTTP.

Nothing in here knows Singer, the tap or the target.
"""
