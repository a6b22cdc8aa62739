"""CPU twins of mmcv's compiled operators, and the bridge that plugs them in."""
