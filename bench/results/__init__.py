"""What the results of a job cost: to write, to page through, to poll. It needs no peers, no models and no clips."""
