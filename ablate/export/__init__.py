"""An arm's corpus for others to train on: written out as files, or its recipe as another tool's script."""
