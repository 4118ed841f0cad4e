"""Language students: decoders that answer with text, or with JSON in text; see docs/language-models.md."""
