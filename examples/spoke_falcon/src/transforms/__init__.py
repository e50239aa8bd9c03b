"""What falcon's notebooks do, as functions of DataFrames; the notebooks read, call and write."""
