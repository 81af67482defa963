"""From samples to a judge's questions and from its replies to verdicts, whoever the judge is."""
