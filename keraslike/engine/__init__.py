"""Road 2: from batches to changed weights; the one room that knows how Poutyne works inside."""
