"""One file per figure; what each defines stands in `analysis/listing.py`, which finds them."""
