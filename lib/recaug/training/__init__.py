"""One training loop, on Horovod: launch, batches, loop, checkpoint."""
