"""Replies that were deployed: what came of them, arm by arm, with what differed between the arms taken out."""
