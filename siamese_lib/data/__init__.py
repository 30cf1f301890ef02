"""Image sets: synthetic Hangul, PHD08 and its simulator, Omniglot, and the framing they share."""
