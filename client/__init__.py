"""What speaks to reelscan over HTTP and knows nothing else of it: it imports neither service, nor worker, nor infra."""
