"""People as judges: what they are asked, what they said, and what that is worth."""
