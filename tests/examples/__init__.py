"""The service together with the Django projects in examples/; for script/test-examples."""
