"""Speed, size and memory against the alternatives, as ratios: `make bench`, `python -m bench`."""
