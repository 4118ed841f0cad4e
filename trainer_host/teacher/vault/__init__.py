"""The key vault: API keys and custom endpoints, sealed in HOME/keys/providers.vault."""
