"""How fast the hub is, held against what it is made of. `make bench` prints ratios and writes results.json."""
