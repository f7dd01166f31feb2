"""A record of any tap to the item that Planhat is sent, or to the reason why not."""
