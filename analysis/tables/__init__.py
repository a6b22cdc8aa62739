"""One file per table; what each defines stands in `analysis/listing.py`, which finds them."""
