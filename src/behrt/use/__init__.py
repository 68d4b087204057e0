"""A trained model outside of its run: its folder, predictions for any MEDS data, and exports."""
