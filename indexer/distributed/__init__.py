"""Building with a cluster: Ray embeds, the one writer of the library takes in what it has embedded."""
