"""Programs and frameworks on top of workspaces, each imported only where it is used."""
