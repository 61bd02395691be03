"""What holds while parts break: faults are injected under load, and the history is judged."""
