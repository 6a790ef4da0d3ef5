"""How a query is answered: terms become vectors, vectors one direction, a direction a ranking, rankings an answer."""
