"""One call to Planhat: how it is sent, read, tried again, and held to the rate limit."""
