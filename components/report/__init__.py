"""The report: what a run did and why it ended as it did, for the people who answer for it."""
