"""AppSync on this machine: its schema language, queries over HTTP, subscriptions over its realtime protocol."""
