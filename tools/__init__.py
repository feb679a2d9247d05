"""Scripts that set up, package and demonstrate the project; not part of the product."""
