"""What may leave a secure environment, and the checks that it passes."""
