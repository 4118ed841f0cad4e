"""What a camera's pictures need around a model: pixels of one size before it, boxes after it."""
