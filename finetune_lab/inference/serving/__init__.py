"""An OpenAI-compatible server over the engine: what was asked, who writes, and what goes over the line."""
