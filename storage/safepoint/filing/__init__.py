"""Files of workspaces: sealed in stores, plain in folders, and the way from one to the other."""
