package volume

// InBatchesOf makes a copy that is killed leave many batches behind.
func (c Copy) InBatchesOf(files int) Copy {
	c.batch = files
	return c
}
