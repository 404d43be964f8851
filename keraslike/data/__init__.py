"""Road 1: from what the user has to rows, features and batches."""
