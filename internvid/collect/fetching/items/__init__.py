"""Tables of any layout become items: what is to be fetched, and which spans of it are wanted."""
