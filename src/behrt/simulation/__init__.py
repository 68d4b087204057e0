"""The simulated delivery: people, diseases, records, and the files that hold them."""
