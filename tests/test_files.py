"""What tells versions of a file apart."""

import os
from pathlib import Path

from ctrbench.files import file_signature


def test_a_file_of_equal_size_and_time_has_another_signature(tmp_path: Path) -> None:
    path, other = tmp_path / "rows", tmp_path / "other"
    path.write_bytes(b"one")
    first, status = file_signature(path), path.stat()
    assert file_signature(path) == first
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    second = file_signature(path)
    assert second != first
    other.write_bytes(b"two")
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)
    assert file_signature(path) != second
