"""What the predictions of test rows show beyond AUC and logloss."""
