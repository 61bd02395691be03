"""A signup, from step 2 on."""
