"""What the core needs of the world, in the domain's words. Promises and failures only."""
