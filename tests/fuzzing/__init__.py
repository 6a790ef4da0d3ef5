"""What comes from outside, made up by the thousand: only errors of ours may come of it, and nothing may hang."""
