"""One file per detector family; each defines `SPEC`."""
