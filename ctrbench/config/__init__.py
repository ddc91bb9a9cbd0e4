"""From the overrides of a command to checked settings, and from settings back to overrides."""
