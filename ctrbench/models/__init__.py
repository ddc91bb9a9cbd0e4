"""The systems of the paper: a file and a line in ``conf/model`` each."""
