"""Tables and pages from run directories alone."""
