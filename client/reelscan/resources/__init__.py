"""What a client is made of: one class for each kind of thing that the service keeps."""
