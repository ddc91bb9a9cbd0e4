"""Tables and pages from run directories alone."""

import logging

# What its first use on a machine says of its cache of fonts is no part of a report.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
