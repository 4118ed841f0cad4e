"""Updates that can't be forged: a client for repositories of The Update Framework (TUF) 1.0."""
