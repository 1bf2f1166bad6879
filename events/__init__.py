"""What changed: the feed that the vendor's application follows, and its delivery."""
