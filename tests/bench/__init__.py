"""Benchmarks: ours and a peer's, side by side in one run, reported as ratios. Nothing here is asserted."""
