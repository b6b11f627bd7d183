"""One training loop, on Horovod: launch, batches from petastorm, loop, checkpoint."""
