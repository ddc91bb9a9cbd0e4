"""From the words of a command to checked settings, and from settings back to words."""
