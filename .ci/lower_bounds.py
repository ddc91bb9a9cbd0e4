"""Print the lower bounds of all dependencies in pyproject.toml as constraints for pip."""

import re
import tomllib
from pathlib import Path

BOUND = re.compile(r"(?P<name>[A-Za-z0-9._-]+)(?:\[.*\])?[^,]*?(?:>=|==)\s*(?P<version>[^,;\s]+)")
LEFT_OUT = {"peers", "ray"}  # extras that the quick tests do not use

if __name__ == "__main__":
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    groups = [project["dependencies"], *(extras[name] for name in extras if name not in LEFT_OUT)]
    for requirement in dict.fromkeys(line for group in groups for line in group):
        if match := BOUND.match(requirement):
            print(f"{match['name']}=={match['version']}")
