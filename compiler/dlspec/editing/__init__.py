"""What an editor asks about a text, right or wrong."""
