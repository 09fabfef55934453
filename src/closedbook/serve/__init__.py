"""closedbook serve, ask and chat: talking to what was trained, and what stands behind an answer."""
