"""What it is run by: the wheel, the image's steps, compose, units and the guide."""
