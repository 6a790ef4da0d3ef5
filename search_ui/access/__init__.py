"""Who may open the page: everybody at this machine, or whoever knows its password."""
