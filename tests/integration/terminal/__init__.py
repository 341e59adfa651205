"""The commands that talk to a server, called as a person calls them."""
