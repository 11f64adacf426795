"""Images: arrays, files, what stored values mean, colours, sheets of pictures."""
