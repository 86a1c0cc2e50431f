"""What each module of a network holds, said as the author wrote it, with the values that it has there."""
