"""Files made of a video's own bytes for people to look at; docs/renditions.md."""
