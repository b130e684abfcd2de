"""Evidence of shot changes, gathered during the decode: cuts, dissolves, fades, pushes."""
