"""Language models on a device: text to tokens, chats, choosing tokens, and answers held to a grammar; numpy alone."""
