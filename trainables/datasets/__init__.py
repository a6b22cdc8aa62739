"""Where the scans come from: KITTI on a disk, or simulated."""
