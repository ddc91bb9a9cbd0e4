"""The models: a file and a YAML file in ``conf/model`` each."""
