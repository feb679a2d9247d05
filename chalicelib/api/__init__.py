"""The edge: event in, one service call, answer out."""
