"""The lists that make up a stream: which rows and properties to ask for, and how."""
