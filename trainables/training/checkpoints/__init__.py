"""Reading checkpoints of any origin, writing plain mmdet3d ones."""
