"""Studies beside the night: benchmarks, the learning curve, completion, pictures, erasure."""
