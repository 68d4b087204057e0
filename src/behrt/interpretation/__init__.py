"""What a BEHRT looked at, and what its predictions rest on."""
