"""Training: batches, one train step, the loops over epochs, and what watches them."""
