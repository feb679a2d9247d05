"""A real account, once around: deploy, upload, analyse, query, subscribe, destroy."""
